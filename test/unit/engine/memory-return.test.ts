import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MemoryReturn, quietMs } from "../../../src/engine/memory-return.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("memory is given back once, when it has been quiet for long enough, and not before", () => {
  const trim = vi.fn();
  using memory = new MemoryReturn({ trim, monotonic: () => Date.now() });
  vi.advanceTimersByTime(10 * quietMs);
  expect(trim).not.toHaveBeenCalled();
  for (let event = 0; event < 20; event++) {
    memory.used();
    vi.advanceTimersByTime(quietMs / 2);
  }
  expect(trim).not.toHaveBeenCalled();
  vi.advanceTimersByTime(quietMs / 2);
  expect(trim).toHaveBeenCalledTimes(1);
  // Nothing is left that would fire.
  expect(vi.getTimerCount()).toBe(0);
  memory.used();
  vi.advanceTimersByTime(quietMs);
  expect(trim).toHaveBeenCalledTimes(2);
});

test("what is disposed of gives nothing back any more", () => {
  const trim = vi.fn();
  const memory = new MemoryReturn({ trim, monotonic: () => Date.now() });
  memory.used();
  memory[Symbol.dispose]();
  vi.advanceTimersByTime(10 * quietMs);
  expect(trim).not.toHaveBeenCalled();
});
