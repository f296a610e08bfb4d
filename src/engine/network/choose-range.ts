/** Which addresses the instances with a network of their own get: a range that this machine does not use otherwise. */
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import type { Fd } from "../../ffi/fd.ts";
import { takeName } from "../../ffi/socket.ts";
import { AetherError } from "../../protocol/errors.ts";
import { formatRange, overlaps, parseAddress, parseRange } from "./address-range.ts";
import type { AddressRange } from "./address-range.ts";

/** Where no range is declared: the first of these that is free. One engine each. */
const candidates: readonly AddressRange[] = Array.from({ length: 16 }, (_, index) => ({
  first: (10 * 2 ** 24 + 213 * 2 ** 16 + index * 4096) >>> 0,
  prefix: 20,
}));

export interface ChosenRange {
  readonly range: AddressRange;
  /** Keeps other engines of this network namespace away from it. */
  readonly hold: Fd;
}

/** Ranges that routes and addresses of this network namespace use, with words for messages. The default route is none. */
export function usedRanges(): { readonly range: AddressRange; readonly by: string }[] {
  const routes = readFileSync("/proc/thread-self/net/route", "utf8")
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [name, target, , , , , , mask] = line.split("\t");
      if (name === undefined || target === undefined || mask === undefined) return [];
      const prefix = bits(littleEndian(mask));
      return prefix === 0
        ? []
        : [{ range: { first: littleEndian(target), prefix }, by: `a route over ${name}` }];
    });
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, entries = []]) =>
    entries.flatMap(({ family, address }) => {
      const first = family === "IPv4" ? parseAddress(address) : null;
      return first === null ? [] : [{ range: { first, prefix: 32 }, by: `an address of ${name}` }];
    }),
  );
  return [...routes, ...addresses];
}

/** As /proc/net/route has them: the bytes in memory, printed as a number of this machine. */
const littleEndian = (hex: string): number => Buffer.from(hex, "hex").readUInt32LE();
const bits = (mask: number): number => mask.toString(2).replaceAll("0", "").length;

/**
 * @param declared `engine.private_range`; `null`: a free one is looked for
 * @throws AetherError AE_ADDRESS_RANGE_TAKEN
 */
export function chooseRange(declared: string | null): ChosenRange {
  const used = usedRanges();
  const wanted = declared === null ? candidates : [parseRange(declared)].filter((range) => range !== null);
  let why = "no range is left";
  for (const range of wanted) {
    const taken = used.find((each) => overlaps(each.range, range));
    const hold = taken === undefined ? takeName(`aether/private-range/${formatRange(range)}`) : null;
    if (hold !== null) return { range, hold };
    why =
      taken === undefined
        ? `another engine has ${formatRange(range)}`
        : `${taken.by} uses ${formatRange(taken.range)}`;
  }
  throw new AetherError(
    "AE_ADDRESS_RANGE_TAKEN",
    "there are no addresses for functions with network: private",
    {
      why: declared === null ? `all of 10.213.0.0/16 is in use; the last one tried: ${why}` : why,
      hint: "Declare a range that nothing on this machine uses, as engine.private_range: 10.99.0.0/24.",
      data: { range: declared },
    },
  );
}
