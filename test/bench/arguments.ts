/** The words a benchmark was called with; `aether bench` has checked them. */
import { parseArgs } from "node:util";

export interface BenchArguments {
  readonly n: number;
  readonly json: boolean;
  /** Functions to measure; empty: all. */
  readonly functions: readonly string[];
}

export function benchArguments(defaultN: number): BenchArguments {
  const { values } = parseArgs({
    options: {
      n: { type: "string" },
      json: { type: "boolean", default: false },
      function: { type: "string", multiple: true, default: [] },
    },
  });
  return { n: Number(values.n ?? defaultN), json: values.json, functions: values.function };
}
