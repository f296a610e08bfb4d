import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fitLine, line, lineWidth, plainText, span, spread } from "../../../src/ui/format/line.ts";
import { sanitize, sanitizeDeep, sanitizeLines } from "../../../src/ui/format/sanitize.ts";
import {
  formatBytes,
  formatClock,
  formatCount,
  formatDeclaredMs,
  formatMs,
  plural,
} from "../../../src/ui/format/units.ts";
import {
  charWidth,
  chunkColumns,
  fit,
  textWidth,
  truncate,
  truncateStart,
  wrapWords,
} from "../../../src/ui/format/width.ts";
import { appendBounded, clampOffset, keepVisible } from "../../../src/ui/format/window.ts";

/** Any text, with what terminals act on over-represented. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "\u001b[31m",
        "\u001b]0;x\u0007",
        "\u009b2J",
        "\u001bP",
        "\u001b",
        "\t",
        "\r",
        "\n",
        "\u202e",
        "\u2066",
        "\u200d",
        "\ufe0f",
        "\ud800",
        "日本",
        "e\u0301\u0301\u0301",
        "👩‍👩‍👧",
        "🇩🇪",
        "\u0000",
        "\u007f",
        "\u0085",
      ),
    ),
  )
  .map((parts) => parts.join(""));

const isControl = (char: string): boolean => {
  const code = char.codePointAt(0) ?? 0;
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
};

describe("sanitize", () => {
  test.each([
    ["plain text", "plain text"],
    ["\u001b[1;31mred\u001b[0m", "red"],
    ["\u001b]0;title\u0007after", "after"],
    ["\u001b]8;;http://x\u001b\\link\u001b]8;;\u001b\\", "link"],
    ["\u001bPdevice\u001b\\after", "after"],
    ["\u009b31mC1\u009d0;t\u009c end", "C1 end"],
    ["a\tb", "a       b"],
    ["bell\u0007", "bell␇"],
    ["over\rwrite", "over␍write"],
    ["line end\r\n", "line end"],
    ["\u202eabc", "\ufffdabc"],
    ["zero\u200bwidth\ufeff", "zerowidth"],
    ["del\u007f", "del␡"],
    ["\ud800", "\ufffd"],
    ["\u0301start", "start"],
    ["é", "é"],
  ])("%j is drawn as %j", (input, output) => {
    expect(sanitize(input)).toBe(output);
  });

  test("never leaves a control, a line break, a bidirectional control or a lone surrogate", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const safe = sanitize(text);
        expect(Array.from(safe).filter((char) => isControl(char))).toEqual([]);
        expect(safe).not.toMatch(/[\p{Bidi_Control}\p{Zl}\p{Zp}\p{Surrogate}]/u);
        expect(safe.isWellFormed()).toBe(true);
      }),
    );
  });

  test("is idempotent", () => {
    fc.assert(
      fc.property(hostile, (text) => {
        expect(sanitize(sanitize(text))).toBe(sanitize(text));
      }),
    );
  });

  test("takes long hostile lines in no time", () => {
    const started = performance.now();
    for (const part of ["\u001b]", "\u001b[", "\u009b1;", "\u001bP\u001b", "e\u0301"])
      sanitize(part.repeat(100_000));
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test("splits lines, and reaches into objects without copying what is clean", () => {
    expect(sanitizeLines("a\u0007\nb\r\nc")).toEqual(["a␇", "b", "c"]);
    const clean = { a: ["x"], b: { c: 1, d: null } };
    expect(sanitizeDeep(clean)).toBe(clean);
    expect(sanitizeDeep({ a: ["\u001b[1mx"], b: 2 })).toEqual({ a: ["x"], b: 2 });
  });
});

describe("width", () => {
  test("wide, narrow and combining", () => {
    expect(["a", "é", "日", "｡", "😀", "\u0301", "─", "●", "…"].map((char) => charWidth(char))).toEqual([
      1, 1, 2, 1, 2, 0, 1, 1, 1,
    ]);
  });

  test("fit is exact for every text and width", () => {
    fc.assert(
      fc.property(hostile, fc.integer({ min: 0, max: 60 }), (text, width) => {
        expect(textWidth(fit(sanitize(text), width))).toBe(width);
        expect(textWidth(fit(sanitize(text), width, "right"))).toBe(width);
      }),
    );
  });

  test("chunks and wrapped lines lose nothing and stay within the width", () => {
    fc.assert(
      fc.property(hostile, fc.integer({ min: 2, max: 40 }), (text, width) => {
        const safe = sanitize(text);
        const chunks = chunkColumns(safe, width);
        expect(chunks.join("")).toBe(safe);
        for (const row of [...chunks, ...wrapWords(safe, width)])
          expect(textWidth(row)).toBeLessThanOrEqual(width);
        expect(wrapWords(safe, width).join("").replaceAll(" ", "")).toBe(safe.replaceAll(" ", ""));
      }),
    );
  });

  test("cuts show an ellipsis at the end, or at the beginning of a path", () => {
    expect(truncate("abcdef", 4)).toBe("abc…");
    expect(truncate("日本語", 4)).toBe("日…");
    expect(truncate("abc", 0)).toBe("");
    expect(truncateStart("/srv/shop/aether.yaml", 12)).toBe("…aether.yaml");
  });
});

describe("lines", () => {
  test("fitLine is exact for any spans", () => {
    fc.assert(
      fc.property(fc.array(hostile), fc.integer({ min: 0, max: 80 }), (texts, width) => {
        const value = line(...texts.map((text) => span(sanitize(text), "bad")));
        expect(lineWidth(fitLine(value, width))).toBe(width);
      }),
    );
  });

  test("spread keeps the left side when both do not fit", () => {
    expect(plainText(spread(line("left"), line("right"), 12))).toBe("left   right");
    expect(plainText(spread(line("left"), line("right"), 8))).toBe("left    ");
  });
});

describe("units", () => {
  test.each([
    [null, "–"],
    [0, "0.00 ms"],
    [0.42, "0.42 ms"],
    [8.44, "8.4 ms"],
    [99.96, "100 ms"],
    [142.4, "142 ms"],
    [999.6, "1.00 s"],
    [1240, "1.24 s"],
    [12_340, "12.3 s"],
    [200_000, "3m 20s"],
    [3_900_000, "1h 05m"],
    [Number.NaN, "–"],
    [-1, "0.00 ms"],
  ])("%s ms is %s", (value, text) => expect(formatMs(value)).toBe(text));

  test.each([
    [null, "–"],
    [512, "512 B"],
    [1023.6, "1.0 KiB"],
    [10_276_045, "9.8 MiB"],
    [104_752_742, "99.9 MiB"],
    [134_217_728, "128 MiB"],
    [1.2 * 1024 ** 3, "1.2 GiB"],
  ])("%s bytes are %s", (value, text) => expect(formatBytes(value)).toBe(text));

  test("times never take more than eight columns, sizes neither", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (value) => {
        expect(formatMs(value).length).toBeLessThanOrEqual(8);
        expect(formatBytes(value).length).toBeLessThanOrEqual(8);
      }),
    );
  });

  test("declared times, counts, clocks and plurals", () => {
    expect([null, 500, 1500, 30_000, 300_000, 7_200_000].map((ms) => formatDeclaredMs(ms))).toEqual([
      "never",
      "500 ms",
      "1500 ms",
      "30 s",
      "5 min",
      "2 h",
    ]);
    expect([7, 1234, 12_400, 250_000, 1_240_000].map((count) => formatCount(count))).toEqual([
      "7",
      "1,234",
      "12,400",
      "250k",
      "1.2M",
    ]);
    expect(formatClock(Number.NaN)).toBe("--:--:--");
    expect(formatClock(new Date(2026, 0, 2, 3, 4, 5, 6).getTime(), true)).toBe("03:04:05.006");
    expect([plural(1, "wake"), plural(2, "wake")]).toEqual(["1 wake", "2 wakes"]);
  });
});

describe("windows", () => {
  test("the selected row is visible and no room is wasted", () => {
    const small = fc.integer({ min: 0, max: 300 });
    fc.assert(
      fc.property(
        small,
        small,
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 300 }),
        (offset, wanted, height, total) => {
          const selected = wanted % total;
          const first = keepVisible(offset, selected, height, total);
          expect(first).toBeLessThanOrEqual(selected);
          expect(first + height).toBeGreaterThan(selected);
          expect(first).toBe(clampOffset(first, height, total));
        },
      ),
    );
  });

  test("appending keeps the last of both, up to the limit", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat()),
        fc.array(fc.nat()),
        fc.integer({ min: 1, max: 20 }),
        (list, more, limit) => {
          const bounded = list.slice(-limit);
          expect(appendBounded(bounded, more, limit)).toEqual([...bounded, ...more].slice(-limit));
        },
      ),
    );
  });
});
