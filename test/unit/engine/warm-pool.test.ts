import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isMemoryShort, poolCapacity, WarmPool } from "../../../src/engine/wake/warm-pool.ts";
import type { PoolMember } from "../../../src/engine/wake/warm-pool.ts";

class Member implements PoolMember {
  evicted = 0;
  evict(): void {
    this.evicted += 1;
  }
}

const plenty = (): boolean => false;

describe("WarmPool", () => {
  it("those that were never woken take free places and push nobody out", () => {
    const pool = new WarmPool(2, plenty);
    const members = [new Member(), new Member(), new Member()];
    expect(members.map((member) => pool.admit(member))).toEqual([true, true, false]);
    expect(members.map(({ evicted }) => evicted)).toEqual([0, 0, 0]);
  });

  it("who was woken takes the place of the one that was woken longest ago", () => {
    const pool = new WarmPool(2, plenty);
    const [first, second, third] = [new Member(), new Member(), new Member()] as const;
    for (const member of [first, second]) {
      pool.admit(member);
      pool.woken(member);
    }
    pool.woken(first);
    pool.woken(third);
    expect(pool.admit(third)).toBe(true);
    expect([first.evicted, second.evicted]).toEqual([0, 1]);
    expect(pool.size).toBe(2);
  });

  it("adds none while memory is short", () => {
    const pool = new WarmPool(10, () => true);
    expect(pool.admit(new Member())).toBe(false);
  });

  it("never holds more than its capacity, and evicts whoever lost a place exactly once", () => {
    const step = fc.tuple(fc.constantFrom("admit", "woken", "release"), fc.nat(5));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
        const pool = new WarmPool(capacity, plenty);
        const members = Array.from({ length: 6 }, () => new Member());
        const inside = new Set<Member>();
        for (const [what, index] of steps) {
          const member = members[index];
          if (member === undefined) continue;
          const before = members.map(({ evicted }) => evicted);
          if (what === "woken") pool.woken(member);
          else if (what === "release") {
            pool.release(member);
            inside.delete(member);
          } else if (pool.admit(member)) inside.add(member);
          members.forEach((each, at) => {
            if (each.evicted === before[at]) return;
            expect(each.evicted).toBe((before[at] ?? 0) + 1);
            expect(inside.delete(each)).toBe(true);
          });
          expect(pool.size).toBe(inside.size);
          expect(pool.size).toBeLessThanOrEqual(capacity);
        }
      }),
    );
  });

  it("its size follows the machine's memory", () => {
    expect(poolCapacity(24 * 1024 ** 3)).toBe(204);
    expect(poolCapacity(256 * 1024 ** 2)).toBe(8);
    expect(isMemoryShort("MemTotal:  1000 kB\nMemAvailable:   99 kB\n")).toBe(true);
    expect(isMemoryShort("MemTotal:  1000 kB\nMemAvailable:  100 kB\n")).toBe(false);
  });
});
