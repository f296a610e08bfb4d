/** Makes `globalThis.gc` for tests of what garbage collection does, without a flag for the whole run. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose_gc");
globalThis.gc ??= runInNewContext("gc") as NonNullable<typeof globalThis.gc>;
