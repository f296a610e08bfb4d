/** What `aether bench xdp` asks of its runner, and what it answers. */

export const modes = ["rx", "tx", "l2fwd"] as const;
export type Mode = (typeof modes)[number];

/** engine: `run(callback)` over packets; raw: the rings, with descriptors in arrays. */
export interface RunOrder {
  readonly way: "engine" | "raw";
  readonly mode: Mode;
  /** As a path. */
  readonly namespace: string;
  readonly batch: number;
  readonly ms: number;
}

export interface RunResult {
  readonly packets: number;
  readonly ns: number;
  readonly heapBytes: number;
}
