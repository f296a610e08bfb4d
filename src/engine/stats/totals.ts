/** Sums over all functions that only ever rise, whatever becomes of the functions. */
import { counterNames, totalsLayout } from "../../protocol/stats-layout.ts";
import type { CounterName, Counters, FunctionStats, TotalStats } from "../../protocol/stats-layout.ts";

type Value = number | readonly number[];

const zeroOf = (name: CounterName): Value => {
  const { kind } = totalsLayout.fields[name];
  return kind.type === "counts" ? Array.from({ length: kind.length }, () => 0) : 0;
};

function plusRise(sum: Value, before: Value, now: Value): Value {
  if (typeof sum === "number") return sum + Math.max(0, Number(now) - Number(before));
  const earlier = typeof before === "number" ? [] : before;
  const later = typeof now === "number" ? [] : now;
  return sum.map((each, index) => each + Math.max(0, (later[index] ?? 0) - (earlier[index] ?? 0)));
}

const counters = (of: (name: CounterName) => Value): Counters =>
  Object.fromEntries(counterNames.map((name) => [name, of(name)])) as unknown as Counters;

export class Totals {
  #sums: Counters = counters(zeroOf);
  errorsElsewhere = 0;

  /** Adds what a function's counters rose by. @param before its last record, `null` for a function that is new */
  add(before: FunctionStats | null, now: FunctionStats): void {
    const sums = this.#sums;
    this.#sums = counters((name) => plusRise(sums[name], before?.[name] ?? zeroOf(name), now[name]));
  }

  get record(): TotalStats {
    return { ...this.#sums, errorsElsewhere: this.errorsElsewhere };
  }
}
