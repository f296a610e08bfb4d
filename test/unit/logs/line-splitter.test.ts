import * as fc from "fast-check";
import { describe, test } from "vitest";
import { LineSplitter } from "../../../src/engine/logs/line-splitter.ts";

/** All lines of `chunks`, the unfinished last one included. */
function split(chunks: readonly Uint8Array[], maxBytes?: number): string[] {
  const splitter = new LineSplitter(maxBytes);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
}

/** Bytes, cut at the given fractions. */
function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const borders = [...at.map((part) => Math.floor(part * bytes.length)), bytes.length].sort((a, b) => a - b);
  let start = 0;
  return borders.map((end) => bytes.subarray(start, (start = end)));
}

const fractions = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
const rich = fc.string({
  unit: fc.constantFrom("a", "é", "漢", "🙂", " ", "\n", "\r", "\r\n", "\u001b[31m"),
  maxLength: 200,
});

describe("LineSplitter", () => {
  test("each kind of line end ends one line", ({ expect }) => {
    expect(split([Buffer.from("a\nb\r\nc\rd")])).toEqual(["a", "b", "c", "d"]);
    expect(split([Buffer.from("a\r"), Buffer.from("\nb\n\n")])).toEqual(["a", "b", ""]);
    expect(split([Buffer.from("10%\r20%\r30%\n")])).toEqual(["10%", "20%", "30%"]);
    expect(split([Buffer.from("\r"), Buffer.from("x\n")])).toEqual(["", "x"]);
  });

  test("lines do not depend on how the bytes were cut into chunks", ({ expect }) => {
    fc.assert(
      fc.property(rich, fractions, fc.integer({ min: 4, max: 64 }), (text, at, maxBytes) => {
        const bytes = Buffer.from(text);
        expect(split(cut(bytes, at), maxBytes)).toEqual(split([bytes], maxBytes));
      }),
    );
  });

  test("the same for bytes that are not UTF-8", ({ expect }) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fractions, (bytes, at) => {
        expect(split(cut(bytes, at), 16)).toEqual(split([bytes], 16));
      }),
    );
  });

  test("no text is lost, none is longer than allowed and no character is cut in two", ({ expect }) => {
    fc.assert(
      fc.property(rich, fractions, (text, at) => {
        const lines = split(cut(Buffer.from(text), at), 16);
        expect(lines.join("")).toBe(text.replaceAll(/[\r\n]/g, ""));
        for (const line of lines) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(16);
      }),
    );
  });

  test("a line of exactly the limit stays whole, one byte more is split", ({ expect }) => {
    expect(split([Buffer.from("12345678\n")], 8)).toEqual(["12345678"]);
    expect(split([Buffer.from("123456789\n")], 8)).toEqual(["12345678", "9"]);
    expect(split([Buffer.from(`${"x".repeat(40_000)}\n`)]).map((line) => line.length)).toEqual([
      16384, 16384, 7232,
    ]);
  });
});
