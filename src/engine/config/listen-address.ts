/** Where a server of the engine listens, as it is written in the file. */
import { isIPv4, isIPv6 } from "node:net";

export interface ListenTarget {
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:9090`, `[::1]:9090` or `localhost:9090`; `null` for anything else. */
export function parseListenAddress(text: string): ListenTarget | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const [, inBrackets, bare, digits] = match ?? [];
  const port = Number(digits);
  if (!(port >= 1 && port <= 65_535)) return null;
  if (inBrackets !== undefined) return isIPv6(inBrackets) ? { host: inBrackets, port } : null;
  if (bare === undefined || !(bare === "localhost" || isIPv4(bare))) return null;
  return { host: bare, port };
}
