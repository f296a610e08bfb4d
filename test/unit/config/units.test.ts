import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  describeSize,
  durationPattern,
  formatDuration,
  formatSize,
  maxDurationMs,
  parseDuration,
  parseSize,
  sizePattern,
} from "../../../src/engine/config/units.ts";

describe("durations", () => {
  it.each([
    ["500ms", 500],
    ["5s", 5000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["1d", 86_400_000],
    ["1h30m", 5_400_000],
    ["1.5s", 1500],
    ["0.1s", 100],
    ["0s", 0],
    ["0", 0],
    [0, 0],
    ["24d", maxDurationMs],
  ])("reads %s", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each([
    "",
    " ",
    "5",
    5,
    -1,
    Number.NaN,
    "5 s",
    "-5s",
    "5S",
    "s",
    "1s1s",
    "1s1h",
    "1e3s",
    "0x5s",
    "25d",
    "99999999999h",
    "5sec",
    "Infinity",
  ])("refuses %j", (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  it("reads back what it writes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: maxDurationMs }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });

  it("agrees with the pattern that editors use", () => {
    const part = fc
      .tuple(fc.nat({ max: 99 }), fc.constantFrom("ms", "s", "m", "h", "d", "x", ""))
      .map(([count, unit]) => `${count}${unit}`);
    const texts = fc.oneof(
      fc.array(part, { maxLength: 3 }).map((parts) => parts.join("")),
      fc.string({ maxLength: 6 }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const fits = new RegExp(durationPattern, "u").test(text);
        // The pattern does not know the upper bound, which only days, hours and minutes can reach here.
        expect(parseDuration(text) !== null || (fits && /[dh]|m(?!s)/.test(text))).toBe(fits);
      }),
    );
  });
});

describe("sizes", () => {
  it.each([
    ["128MiB", 134_217_728],
    ["64KB", 64_000],
    ["64kB", 64_000],
    ["1GiB", 1_073_741_824],
    ["1.5GiB", 1_610_612_736],
    ["0.1GiB", 107_374_182],
    ["8 MiB", 8_388_608],
    ["12B", 12],
    [4096, 4096],
    [0, 0],
  ])("reads %s", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each([
    "",
    "MiB",
    "-1MiB",
    -1,
    1.5,
    "1.5B",
    "128m",
    "128M",
    "1MiBs",
    "1e3MiB",
    "99999999TiB",
    Number.POSITIVE_INFINITY,
  ])("refuses %j", (text) => {
    expect(parseSize(text)).toBeNull();
  });

  it("reads back what it writes", () => {
    const sizes = fc.oneof(
      fc.maxSafeNat(),
      fc.nat({ max: 4096 }).map((count) => count * 1024 ** 3),
    );
    fc.assert(
      fc.property(sizes, (bytes) => {
        expect(parseSize(formatSize(bytes))).toBe(bytes);
      }),
    );
  });

  it("writes sizes that the pattern of editors allows", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(formatSize(bytes)).toMatch(new RegExp(sizePattern, "u"));
      }),
    );
  });

  it("rounds for people", () => {
    expect([0, 128, 4 * 1024 ** 2, 25_276_510_208].map(describeSize)).toEqual([
      "0B",
      "128B",
      "4MiB",
      "23.5GiB",
    ]);
  });
});
