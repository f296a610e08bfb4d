/** A verb's way to the running engine that is meant. */
import type { ControlRequests } from "../client/control-requests.ts";
import { AetherError } from "../protocol/errors.ts";
import type { GlobalOptions } from "./globals.ts";

/** Runs `work` against the engine; http and yaml are loaded only here, so that --help does not wait for them. */
export async function withEngine<T>(
  globals: GlobalOptions,
  work: (requests: ControlRequests) => Promise<T>,
): Promise<T> {
  const [{ ControlRequests }, name] = await Promise.all([
    import("../client/control-requests.ts"),
    engineNameOf(globals),
  ]);
  using requests = new ControlRequests(name);
  return await work(requests);
}

export async function engineNameOf(globals: GlobalOptions): Promise<string> {
  const { chooseEngineName } = await import("../client/engine-name.ts");
  return await chooseEngineName({ engine: globals.engine, config: globals.config });
}

/** For verbs that change something. */
export function refuseReadOnly(globals: GlobalOptions, verb: string): void {
  if (globals.readOnly !== true) return;
  throw new AetherError("AE_USAGE", `${verb} changes the engine, and --read-only is given`, {
    hint: "Leave out --read-only.",
  });
}
