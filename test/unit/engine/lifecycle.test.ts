import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Backoff } from "../../../src/engine/lifecycle/backoff.ts";
import { LatencyWindow, quantile } from "../../../src/engine/lifecycle/latency-window.ts";
import { OperationQueue } from "../../../src/engine/lifecycle/operation-queue.ts";
import { StateMachine } from "../../../src/engine/lifecycle/state-machine.ts";
import { Gate } from "../../../src/engine/wake/gate.ts";
import { isAetherError } from "../../../src/protocol/errors.ts";
import type { EventBody } from "../../../src/protocol/events.ts";
import { instanceStates, isLegalTransition, legalTransitions } from "../../../src/protocol/states.ts";
import type { InstanceState } from "../../../src/protocol/states.ts";

/** The steps as design.md has them, written out a second time on purpose. */
const designed: readonly (readonly [InstanceState, InstanceState])[] = [
  ["Uninitialized", "WarmSnapshot"],
  ["Uninitialized", "Running"],
  ["WarmSnapshot", "Running"],
  ["WarmSnapshot", "Uninitialized"],
  ["Running", "Suspended"],
  ["Running", "WarmSnapshot"],
  ["Suspended", "Running"],
  ["Suspended", "WarmSnapshot"],
  ["Suspended", "Uninitialized"],
];

/** A machine walked into a state by legal steps. */
function machineIn(state: InstanceState): { machine: StateMachine; events: EventBody[] } {
  const events: EventBody[] = [];
  const machine = new StateMachine({
    functionId: "f",
    now: () => 1,
    emit: (event) => events.push(event),
    onChange: () => {},
  });
  const detail = { instance: "f-1", durationMs: 2, cause: "test" };
  if (state !== "Uninitialized") machine.step("Running", detail);
  if (state === "Suspended" || state === "WarmSnapshot") machine.step(state, detail);
  events.length = 0;
  return { machine, events };
}

describe("the lifecycle table", () => {
  for (const from of instanceStates) {
    for (const to of instanceStates) {
      const legal = designed.some(([left, right]) => left === from && right === to);
      it(`${from} -> ${to} is ${legal ? "a step" : "refused with a typed error"}`, () => {
        const { machine, events } = machineIn(from);
        expect(isLegalTransition(from, to)).toBe(legal);
        if (legal) {
          machine.step(to, { instance: "f-1", durationMs: 2, cause: "test" });
          expect(machine.state).toBe(to);
          expect(events).toEqual([
            { type: "transition", functionId: "f", instance: "f-1", from, to, durationMs: 2, cause: "test" },
          ]);
          return;
        }
        try {
          machine.step(to, { instance: "f-1", durationMs: 2, cause: "test" });
          expect.unreachable();
        } catch (error) {
          expect(isAetherError(error) && error.code).toBe("AE_INVALID_STATE_TRANSITION");
          expect(isAetherError(error) && error.data).toMatchObject({ function: "f", from, to });
        }
        expect(machine.state).toBe(from);
        expect(events).toEqual([]);
      });
    }
  }

  it("lists every state once", () => {
    expect(Object.keys(legalTransitions).toSorted()).toEqual([...instanceStates].toSorted());
  });

  it("shows WarmSnapshot or Uninitialized when the instance is gone, without a step", () => {
    const { machine, events } = machineIn("Running");
    machine.instanceGone(true);
    expect(machine.state).toBe("WarmSnapshot");
    machine.instanceGone(false);
    expect(machine.state).toBe("Uninitialized");
    expect(events).toEqual([]);
  });
});

describe("OperationQueue", () => {
  it("runs one operation at a time, in order, whatever fails", async () => {
    const queue = new OperationQueue("f");
    const log: string[] = [];
    const work = (name: string, fails: boolean) => async (): Promise<string> => {
      log.push(`+${name}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
      log.push(`-${name}`);
      if (fails) throw new Error(name);
      return name;
    };
    const results = await Promise.allSettled([
      queue.run(work("a", false)),
      queue.run(work("b", true)),
      queue.run(work("c", false)),
    ]);
    expect(log).toEqual(["+a", "-a", "+b", "-b", "+c", "-c"]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(queue.isIdle).toBe(true);
  });

  it("is bounded, and refuses after it was closed", async () => {
    const queue = new OperationQueue("f");
    const gate = Promise.withResolvers<void>();
    const outcomes = Array.from({ length: 40 }, () =>
      queue
        .run(() => gate.promise)
        .then(
          () => "done",
          (error: unknown) => isAetherError(error) && error.code,
        ),
    );
    gate.resolve();
    const results = await Promise.all(outcomes);
    expect(results.filter((result) => result === "AE_OPERATION_IN_PROGRESS")).toHaveLength(7);
    await queue.close();
    await expect(queue.run(() => Promise.resolve())).rejects.toMatchObject({
      code: "AE_OPERATION_IN_PROGRESS",
    });
  });
});

describe("Gate", () => {
  it("lets at most so many in, in the order of arrival", async () => {
    const gate = new Gate(2);
    let inside = 0;
    let most = 0;
    const order: number[] = [];
    await Promise.all(
      [0, 1, 2, 3, 4].map((index) =>
        gate.run(async () => {
          inside += 1;
          most = Math.max(most, inside);
          order.push(index);
          await new Promise((resolve) => setTimeout(resolve, 1));
          inside -= 1;
        }),
      ),
    );
    expect(most).toBe(2);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("Backoff", () => {
  it("waits for nothing first, then doubles up to a bound, and forgets after success or a long life", () => {
    let now = 0;
    const backoff = new Backoff(() => now);
    expect([backoff.fail(), backoff.fail(), backoff.fail()]).toEqual([0, 500, 1000]);
    for (let index = 0; index < 20; index++) backoff.fail();
    expect(backoff.fail()).toBe(30_000);
    backoff.succeed();
    expect(backoff.fail()).toBe(0);
    expect(backoff.ended(60_000)).toBe(0);
    now = 1_000_000;
    expect(backoff.fail()).toBe(0);
  });
});

describe("LatencyWindow", () => {
  it("gives the quantiles of a bounded window and the count of all", () => {
    const window = new LatencyWindow();
    expect(window.view()).toEqual({ count: 0, lastMs: null, p50Ms: null, p95Ms: null, p99Ms: null });
    for (let value = 1; value <= 1000; value++) window.add(value);
    const view = window.view();
    expect(view.count).toBe(1000);
    expect(view.lastMs).toBe(1000);
    expect(view.p50Ms).toBeGreaterThan(488);
  });

  it("quantile is a member of the values, between the extremes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true }), { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, q) => {
          const sorted = values.toSorted((left, right) => left - right);
          expect(sorted).toContain(quantile(sorted, q));
        },
      ),
    );
  });
});
