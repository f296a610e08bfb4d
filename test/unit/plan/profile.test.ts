import fc from "fast-check";
import { describe, test } from "vitest";
import { readFlatObject } from "../../../src/engine/plan/flat-json.ts";
import { formatProfileLine, parseProfileLine } from "../../../src/engine/plan/profile-line.ts";
import type { ProfileEntry } from "../../../src/engine/plan/profile-line.ts";
import { maxLineChars, readProfile } from "../../../src/engine/plan/read-profile.ts";
import { isAetherError } from "../../../src/protocol/errors.ts";

const flatValue = fc.oneof(
  fc.string(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
);
const flatObject = fc.dictionary(fc.string(), flatValue, { noNullPrototype: true });

/** What JSON.parse makes of a text, where that is an object of plain values without a key given twice. */
function byJson(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

describe("one line", () => {
  test("reads every flat object as JSON.parse does", ({ expect }) => {
    fc.assert(
      fc.property(flatObject, fc.constantFrom(undefined, 1, 2), (object, indent) => {
        const text = JSON.stringify(object, null, indent);
        const read = [...readFlatObject(text)].map(([key, { value }]) => [key, value]);
        // Not toEqual on objects: a key may be __proto__.
        expect(read).toEqual(Object.entries(JSON.parse(text) as object));
      }),
    );
  });

  test("accepts nothing that JSON.parse refuses, however a line is damaged", ({ expect }) => {
    fc.assert(
      fc.property(
        flatObject,
        fc.nat(),
        fc.string({ maxLength: 2 }),
        fc.nat({ max: 2 }),
        (object, at, put, cut) => {
          const text = JSON.stringify(object);
          const place = at % (text.length + 1);
          const damaged = text.slice(0, place) + put + text.slice(place + cut);
          let read: string[] | null;
          try {
            read = [...readFlatObject(damaged).keys()];
          } catch (error) {
            const { column } = error as { column: number };
            expect(column).toBeGreaterThanOrEqual(1);
            expect(column).toBeLessThanOrEqual(damaged.length + 1);
            read = null;
          }
          if (read !== null)
            expect(Object.keys(byJson(damaged) ?? {})).toEqual(
              Object.keys(Object.fromEntries(read.map((key) => [key, 1]))),
            );
        },
      ),
    );
  });

  test("seconds, ISO times, counts and their defaults", ({ expect }) => {
    const entry = (text: string): unknown => {
      const line = parseProfileLine(text);
      return line.ok ? line.entry : `${line.column}: ${line.message}`;
    };
    expect(entry('{"t":12.5,"id":"a"}')).toEqual({ atMs: 12_500, id: "a", opened: 1, open: 0 });
    expect(entry(' {"id":"a" , "t":"2026-01-31T12:00:00.250+02:00","n":0,"open":3} ')).toEqual({
      atMs: Date.UTC(2026, 0, 31, 10, 0, 0, 250),
      id: "a",
      opened: 0,
      open: 3,
    });
  });

  test.for([
    ["", 1, "expected {"],
    ['{"t":1,"id":"a"', 16, "expected ,, and the line ends here"],
    ['{"t":1,,"id":"a"}', 8, "double quotes"],
    ['{"t":01,"id":"a"}', 7, "expected ,"],
    ['{"t":1,"id":"a"} x', 18, "goes on"],
    ['{"t":1,"id":{"x":1}}', 13, "nested"],
    ['{"t":1,"t":2,"id":"a"}', 8, "second time"],
    ['{"t":1,"id":"a","user":"bob"}', 17, 'no key "user"'],
    ['{"id":"a"}', 1, '"t" is missing'],
    ['{"t":1}', 1, '"id" is missing'],
    ['{"t":1764198000000,"id":"a"}', 6, "divide milliseconds"],
    ['{"t":-1,"id":"a"}', 6, "seconds from 0"],
    ['{"t":"2026-01-31T12:00:00","id":"a"}', 6, "zone"],
    ['{"t":"2026-13-31T12:00:00Z","id":"a"}', 6, "no day"],
    ['{"t":1,"id":"../etc"}', 13, "no id"],
    ['{"t":1,"id":"a","n":1.5}', 21, '"n"'],
    ['{"t":1,"id":"a","open":-1}', 24, '"open"'],
  ] as const)("refuses %s at column %i", ([text, column, message], { expect }) => {
    const line = parseProfileLine(text);
    expect(line).toEqual({ ok: false, column, message: expect.stringContaining(message) as string });
  });

  test("what is written is read back", ({ expect }) => {
    const entry = fc.record<ProfileEntry>({
      atMs: fc.nat({ max: 2 ** 31 - 1 }).map((value) => value * 1000 + (value % 1000)),
      id: fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$/),
      opened: fc.nat({ max: 1e9 }),
      open: fc.nat({ max: 1e9 }),
    });
    fc.assert(
      fc.property(entry, (value) => {
        const line = parseProfileLine(formatProfileLine(value));
        expect(line.ok && { ...line.entry, atMs: Math.round(line.entry.atMs) }).toEqual(value);
      }),
    );
  });
});

describe("a file", () => {
  async function collect(
    chunks: readonly Uint8Array[],
  ): Promise<ProfileEntry[] | { code: string; data: object; why: string | null }> {
    const entries: ProfileEntry[] = [];
    try {
      for await (const entry of readProfile(chunks, "p.jsonl")) entries.push(entry);
      return entries;
    } catch (error) {
      if (!isAetherError(error)) throw error;
      return { code: error.code, data: error.data, why: error.why };
    }
  }
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  test("is read the same however it is cut into chunks", async ({ expect }) => {
    const text = '{"t":1,"id":"a"}\n\n{"t":1.5,"id":"b","open":2}\r\n{"t":2,"id":"a"}';
    const whole = await collect([bytes(text)]);
    expect(whole).toHaveLength(3);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), async (sizes) => {
        const all = bytes(text);
        const chunks: Uint8Array[] = [];
        for (let at = 0, turn = 0; at < all.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          chunks.push(all.slice(at, at + size));
          at += size;
        }
        expect(await collect(chunks)).toEqual(whole);
      }),
    );
  });

  test("a bad line is named by line and column", async ({ expect }) => {
    expect(await collect([bytes('{"t":1,"id":"a"}\n{"t":x}\n')])).toMatchObject({
      code: "AE_PROFILE_INVALID",
      data: { file: "p.jsonl", line: 2, column: 6 },
    });
  });

  test("times that go back are refused, a line without end too", async ({ expect }) => {
    expect(await collect([bytes('{"t":2,"id":"a"}\n{"t":1,"id":"b"}\n')])).toMatchObject({
      data: { line: 2, column: 1 },
      why: expect.stringContaining("sort") as string,
    });
    const endless = Array.from({ length: 10 }, () => bytes("x".repeat(maxLineChars / 4)));
    expect(await collect(endless)).toMatchObject({ data: { line: 1, column: maxLineChars + 1 } });
  });

  test("arbitrary bytes end in entries or in a typed error", async ({ expect }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array()), async (chunks) => {
        const result = await collect(chunks);
        expect(Array.isArray(result) || result.code).toBeOneOf([true, "AE_PROFILE_INVALID"]);
      }),
    );
  });
});
