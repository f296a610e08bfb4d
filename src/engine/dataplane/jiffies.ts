/** Jiffies of the programs as monotonic time: the program aether_clock reads both at one moment. */
import { jiffyNs } from "../../ffi/clock.ts";
import type { BpfObject } from "../../ffi/libbpf.ts";
import { structs } from "./layout.ts";
import { mappedStructs } from "./xdp-object.ts";

/** Any frame will do: the program does not look at it. */
const frame = new Uint8Array(64);

/** A function from a jiffy to milliseconds of CLOCK_MONOTONIC, right to a tick. Jiffies follow that clock for good. */
export function jiffiesClock(object: BpfObject): (jiffies: number) => number {
  using program = object.program("aether_clock");
  using reading = mappedStructs(object, "clock", "clock_reading", 1);
  program.run(frame);
  const { jiffies: jiffiesAt, monotonic_ns: nsAt } = structs.clock_reading.fields;
  const jiffies = Number(reading.view.getBigUint64(jiffiesAt, true));
  const atMs = Number(reading.view.getBigUint64(nsAt, true)) / 1e6;
  const tickMs = jiffyNs() / 1e6;
  return (then) => atMs + (then - jiffies) * tickMs;
}
