/** The allocator against a model: every frame in exactly one place, whatever is done. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameAllocator, framePlaces, place } from "../../../src/ffi/xsk/frames.ts";
import type { FramePlace } from "../../../src/ffi/xsk/frames.ts";

const layout = { frameCount: 16, frameSizeBytes: 2048, headroomBytes: 0 };

interface Model {
  readonly places: FramePlace[];
}

type Real = FrameAllocator;
type Command = fc.Command<Model, Real>;

const busy = fc.constantFrom<FramePlace>("fill", "rx", "tx", "user");
const anyPlace = fc.constantFrom<FramePlace>(...framePlaces);

class Take implements Command {
  readonly to: FramePlace;
  constructor(to: FramePlace) {
    this.to = to;
  }
  check(): boolean {
    return true;
  }
  run(model: Model, real: Real): void {
    const frame = real.take(place[this.to]);
    if (frame < 0) {
      expect(model.places).not.toContain("free");
      return;
    }
    expect(model.places[frame]).toBe("free");
    model.places[frame] = this.to;
  }
}

class Move implements Command {
  readonly frame: number;
  readonly from: FramePlace;
  readonly to: FramePlace;
  constructor(frame: number, from: FramePlace, to: FramePlace) {
    this.frame = frame;
    this.from = from;
    this.to = to;
  }
  check(): boolean {
    return this.from !== "free";
  }
  run(model: Model, real: Real): void {
    const act = (): void =>
      this.to === "free"
        ? real.free(this.frame, place[this.from])
        : real.move(this.frame, place[this.from], place[this.to]);
    if (model.places[this.frame] !== this.from) {
      expect(act).toThrow("is not where it should be");
      return;
    }
    act();
    model.places[this.frame] = this.to;
  }
}

class Check implements Command {
  check(): boolean {
    return true;
  }
  run(model: Model, real: Real): void {
    const counts = { free: 0, fill: 0, rx: 0, tx: 0, user: 0 };
    for (const each of model.places) counts[each] += 1;
    expect(real.counts()).toEqual(counts);
    expect(real.freeCount).toBe(counts.free);
    real.verify();
    // What another thread would see.
    expect(FrameAllocator.over(layout, real.memory).counts()).toEqual(counts);
  }
}

describe("the frame allocator", () => {
  it("does what the model does", () => {
    const frame = fc.integer({ min: 0, max: layout.frameCount - 1 });
    const commands = fc.commands(
      [
        busy.map((to) => new Take(to)),
        fc.tuple(frame, anyPlace, anyPlace).map(([frame, from, to]) => new Move(frame, from, to)),
        fc.constant(new Check()),
      ],
      { maxCommands: 120 },
    );
    const property = fc.property(commands, (commands) => {
      const setup = (): { model: Model; real: Real } => ({
        model: { places: Array.from({ length: layout.frameCount }, () => "free" as const) },
        real: FrameAllocator.create(layout),
      });
      fc.modelRun(setup, commands);
    });
    expect(fc.check(property, { numRuns: 300 })).toMatchObject({ failed: false, errorInstance: null });
  });

  it("refuses an address outside the UMEM", () => {
    const frames = FrameAllocator.create(layout);
    expect(frames.frameOf(5 * 2048 + 300)).toBe(5);
    expect(() => frames.frameOf(16 * 2048)).toThrow("a ring names the address 32768");
    expect(() => frames.frameOf(0xffff_ffff)).toThrow("the UMEM has 16 frames");
  });

  it("finds a frame that stands twice among the free ones", () => {
    const frames = FrameAllocator.create(layout);
    const stack = new Int32Array(frames.memory);
    stack[1] = stack[2] ?? 0;
    expect(() => frames.verify()).toThrow("15 of them different");
  });
});
