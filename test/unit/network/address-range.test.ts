/** Ranges of addresses, and what of a machine is in their way. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatAddress,
  formatRange,
  instanceRoom,
  isForPrivateUse,
  overlaps,
  parseAddress,
  parseRange,
} from "../../../src/engine/network/address-range.ts";
import type { AddressRange } from "../../../src/engine/network/address-range.ts";

const range = (text: string): AddressRange => {
  const parsed = parseRange(text);
  if (parsed === null) throw new Error(`no range: ${text}`);
  return parsed;
};

describe("addresses", () => {
  it("are read as they are written", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (address) => {
        expect(parseAddress(formatAddress(address))).toBe(address);
      }),
    );
  });

  it.each(["", "10.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.1.2", "a.b.c.d", "10.0.0.-1"])(
    "%j is none",
    (text) => {
      expect(parseAddress(text)).toBeNull();
    },
  );
});

describe("ranges", () => {
  it("begin where their size allows it", () => {
    expect(formatRange(range("10.213.16.0/20"))).toBe("10.213.16.0/20");
    for (const text of ["10.213.8.0/20", "10.0.0.0/33", "10.0.0.0", "10.0.0/8", "10.0.0.1/24"])
      expect(parseRange(text)).toBeNull();
  });

  it("overlap when they share an address", () => {
    expect(overlaps(range("10.0.0.0/8"), range("10.213.0.0/20"))).toBe(true);
    expect(overlaps(range("10.213.0.0/20"), range("10.213.15.255/32"))).toBe(true);
    expect(overlaps(range("10.213.0.0/20"), range("10.213.16.0/20"))).toBe(false);
    expect(overlaps(range("255.255.255.0/24"), range("255.255.255.255/32"))).toBe(true);
  });

  it("are for private use as a whole or not", () => {
    for (const text of ["10.213.0.0/20", "192.168.8.0/24", "172.31.0.0/16", "100.64.0.0/10"])
      expect(isForPrivateUse(range(text))).toBe(true);
    for (const text of ["8.8.8.0/24", "172.32.0.0/16", "192.168.0.0/15", "100.128.0.0/16"])
      expect(isForPrivateUse(range(text))).toBe(false);
  });

  it("keep three addresses for themselves at their start, and the last", () => {
    expect(instanceRoom(range("10.0.0.0/29"))).toBe(4);
    expect(instanceRoom(range("10.0.0.0/24"))).toBe(252);
  });
});
