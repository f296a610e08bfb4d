/** How a console stands with its engine. */
import type { ErrorData } from "../protocol/errors.ts";

export type LinkState =
  | { readonly type: "live" }
  /** The engine's process is there and has not beaten for a while: what is shown is old. */
  | { readonly type: "silent" }
  /** The engine is gone; it is looked for until it is back. `error`: `null` where it ended in order. */
  | { readonly type: "lost"; readonly atMs: number; readonly error: ErrorData | null };

export type LinkListener = (link: LinkState) => void;
