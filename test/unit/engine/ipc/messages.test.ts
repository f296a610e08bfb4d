import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ControlPage, controlBytes } from "../../../../src/engine/ipc/control-page.ts";
import { MessageAssembler, messageTypes, partCount, writePart } from "../../../../src/engine/ipc/messages.ts";
import type { MessageType, PartWriter, RingMessage } from "../../../../src/engine/ipc/messages.ts";
import { SpinPolicy } from "../../../../src/engine/ipc/spin-policy.ts";
import { AetherError } from "../../../../src/protocol/errors.ts";

const types = Object.keys(messageTypes) as MessageType[];

/** One part as a ring gets it. */
function partOf(message: RingMessage, index: number, limit: number, lead = new Uint8Array(0)): Uint8Array {
  let part = new Uint8Array(0);
  const writer: PartWriter = {
    payloadLimitBytes: limit,
    tryWrite: (payload, head, headBytes) => {
      part = new Uint8Array([...head.subarray(0, headBytes), ...payload]);
      return true;
    },
  };
  writePart(writer, { ...message, lead }, index);
  return part;
}

describe("messages", () => {
  test("arrive as they were, however long, also when the parts of several alternate", () => {
    const message = fc.record({
      type: fc.constantFrom(...types),
      body: fc.uint8Array({ maxLength: 500 }),
    });
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 20, max: 200 }),
        fc.uint8Array({ maxLength: 5 }),
        fc.array(fc.nat(5), { maxLength: 300 }),
        (drafts, limit, lead, turns) => {
          const messages: RingMessage[] = drafts.map((draft, index) => ({
            ...draft,
            requestId: BigInt(index),
          }));
          const left = messages.map((each) =>
            Array.from({ length: partCount(lead.length + each.body.length, limit) }, (_, part) =>
              partOf(each, part, limit, lead),
            ),
          );
          const assembler = new MessageAssembler({ bodyBytes: 505, open: 6 });
          const got: RingMessage[] = [];
          const take = (index: number): void => {
            const part = left[index]?.shift();
            if (part === undefined) return;
            expect(part.length).toBeLessThanOrEqual(limit);
            const whole = assembler.take(part);
            if (whole !== null) got.push(whole);
          };
          for (const turn of turns) take(turn);
          for (const [index, parts] of left.entries()) while (parts.length > 0) take(index);
          const sorted = got.toSorted((one, other) => Number(one.requestId - other.requestId));
          expect(sorted.map(({ type, body }) => ({ type, body: [...body] }))).toEqual(
            drafts.map(({ type, body }) => ({ type, body: [...lead, ...body] })),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  test("nonsense of a peer is a typed error, and bounds hold", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 50 }), (entries) => {
        const assembler = new MessageAssembler({ bodyBytes: 100, open: 2 });
        for (const entry of entries) {
          try {
            const whole = assembler.take(entry);
            if (whole !== null) expect(whole.body.length).toBeLessThanOrEqual(100);
          } catch (error) {
            expect((error as AetherError).code).toBe("AE_SHM_CORRUPTED");
          }
        }
      }),
    );
    const begin = (assembler: MessageAssembler, id: bigint): unknown =>
      assembler.take(partOf({ type: "response", requestId: id, body: new Uint8Array(100) }, 0, 60));
    const assembler = new MessageAssembler({ bodyBytes: 1_000, open: 2 });
    begin(assembler, 1n);
    begin(assembler, 2n);
    expect(() => begin(assembler, 3n)).toThrow(AetherError);
    const short = new MessageAssembler({ bodyBytes: 60, open: 2 });
    begin(short, 1n);
    expect(() => begin(short, 1n)).toThrow(AetherError);
  });
});

describe("control page", () => {
  const page = () => {
    const memory = new ArrayBuffer(controlBytes);
    return { memory, page: new ControlPage(memory), view: new DataView(memory) };
  };

  test("has every field where the C header says", () => {
    const { page: control, memory, view } = page();
    const entropy = Uint8Array.from({ length: 32 }, (_, index) => index + 1);
    control.introduce({
      instance: "hello-3",
      generation: 7n,
      entropy,
      restored: true,
      wallClockMs: 1_700_000_000_000,
    });
    control.setEngineSleeping(true);
    control.order("afterRestore");
    expect(view.getUint32(0, true)).toBe(0x48544541);
    expect(view.getUint32(4, true)).toBe(1);
    expect(view.getBigUint64(8, true)).toBe(7n);
    expect([...new Uint8Array(memory, 16, 32)]).toEqual([...entropy]);
    expect(view.getUint32(48, true)).toBe(1);
    expect(view.getBigUint64(56, true)).toBe(1_700_000_000_000n);
    expect(Buffer.from(memory, 64, 8).toString()).toBe("hello-3\0");
    expect(view.getBigUint64(256, true)).toBe(1n);
    expect(view.getUint32(264, true)).toBe(2);
    expect(view.getUint32(320, true)).toBe(1);
    view.setUint32(2_048, 7, true);
    expect(control.registration).toEqual({ attached: true, hooks: true, events: true });
  });

  test("an answer counts for its command alone, and its words are bounded", () => {
    const { page: control, memory, view } = page();
    control.order("beforeSnapshot");
    expect(control.answer).toBeNull();
    view.setUint32(2_064, 1, true);
    view.setUint32(2_068, 0xffffffff, true);
    new Uint8Array(memory).fill(0x61, 2_176, 4_096);
    view.setBigUint64(2_056, 1n, true);
    expect(control.answer).toEqual({ ok: false, why: "a".repeat(1_024) });
    control.order("resume");
    expect(control.answer).toBeNull();
  });

  test("a sleeper is woken once", () => {
    const { page: control, view } = page();
    view.setUint32(2_112, 1, true);
    expect(control.takeHandlerSleeping()).toBe(true);
    expect(control.takeHandlerSleeping()).toBe(false);
  });
});

describe("looking without sleeping", () => {
  /** How many times it is refused before the next look. */
  const passes = (policy: SpinPolicy): number => {
    let passed = 0;
    while (!policy.allowed) passed += 1;
    return passed;
  };

  test("one that finds is followed by another, a vain one by ever more abstinence", () => {
    const policy = new SpinPolicy();
    expect(passes(policy)).toBe(0);
    policy.note(true, 20);
    expect(passes(policy)).toBe(0);
    const after: number[] = [];
    for (let vain = 0; vain < 6; vain++) {
      policy.note(false, 100);
      after.push(passes(policy));
    }
    expect(after).toEqual([1, 2, 4, 8, 8, 8]);
    policy.note(true, 20);
    expect(passes(policy)).toBe(0);
  });

  test("one during which others had the processor is followed by long abstinence, even if it found", () => {
    const policy = new SpinPolicy();
    policy.note(true, 3_000);
    expect(passes(policy)).toBe(32);
    policy.note(true, 20);
    expect(passes(policy)).toBe(0);
  });
});
