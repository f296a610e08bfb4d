/** The tables of the stats region, and its codec. */
import fc from "fast-check";
import { describe, test } from "vitest";
import { unparsedReasons } from "../../../src/protocol/unparsed-reasons.ts";
import { errorCodes } from "../../../src/protocol/error-codes.ts";
import { bucketOf, latencyBoundsMs, latencyBucketCount } from "../../../src/protocol/latency-buckets.ts";
import { decodeRecord, encodeRecord } from "../../../src/protocol/stats-codec.ts";
import { fieldBytes, guardedFieldsAt } from "../../../src/protocol/stats-fields.ts";
import type { FieldKind, Fields, RecordLayout, ValuesOf } from "../../../src/protocol/stats-fields.ts";
import {
  errorCapacity,
  errorLayout,
  functionLayout,
  headerLayout,
  interfaceLayout,
  planRegion,
  pulseLayout,
  totalsLayout,
} from "../../../src/protocol/stats-layout.ts";

const layouts: readonly RecordLayout<Fields>[] = [
  headerLayout,
  pulseLayout,
  totalsLayout,
  errorLayout,
  interfaceLayout,
  functionLayout,
];

const count = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const real = fc.double({ noNaN: true, noDefaultInfinity: true });

function valueOf(kind: FieldKind): fc.Arbitrary<unknown> {
  switch (kind.type) {
    case "u32":
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
    case "u64":
      return count;
    case "f64":
      return real;
    case "f64-or-null":
      return fc.option(real);
    case "text":
      return fc
        .string({ unit: "binary", maxLength: 16 })
        .filter((text) => !text.includes("\0") && Buffer.byteLength(text) <= kind.sizeBytes);
    case "choice":
      return fc.constantFrom(...kind.of);
    case "choice-or-null":
      return fc.option(fc.constantFrom(...kind.of));
    case "counts":
      return fc.array(count, { minLength: kind.length, maxLength: kind.length });
  }
}

function valuesOf<F extends Fields>(layout: RecordLayout<F>): fc.Arbitrary<ValuesOf<F>> {
  const entries = Object.entries(layout.fields).map(([name, { kind }]) => [name, valueOf(kind)]);
  return fc.record(Object.fromEntries(entries) as Record<string, fc.Arbitrary<unknown>>) as fc.Arbitrary<
    ValuesOf<F>
  >;
}

describe("the layout", () => {
  test.for(layouts.map((layout) => [layout.name, layout] as const))(
    "%s: no field overlaps another, each is aligned",
    ([, layout], { expect }) => {
      let end = layout === headerLayout ? 0 : guardedFieldsAt;
      for (const [name, { kind }] of Object.entries(layout.fields)) {
        const at = layout.offsets[name] ?? -1;
        expect(at, name).toBeGreaterThanOrEqual(end);
        expect(at % (fieldBytes(kind) === 4 ? 4 : 8), name).toBe(0);
        end = at + fieldBytes(kind);
      }
      expect(layout.sizeBytes).toBeGreaterThanOrEqual(end);
      expect(layout.sizeBytes % 64).toBe(0);
    },
  );

  test.for(layouts.map((layout) => [layout.name, layout] as const))(
    "%s: what is written is read, and nothing outside of the record is touched",
    ([, layout], { expect }) => {
      fc.assert(
        fc.property(valuesOf(layout), (values) => {
          const bytes = new Uint8Array(layout.sizeBytes + 128).fill(0xa5);
          const view = new DataView(bytes.buffer);
          encodeRecord(layout, values, view, 64);
          expect(decodeRecord(layout, view, 64)).toEqual(values);
          const first = layout === headerLayout ? 64 : 64 + guardedFieldsAt;
          expect(bytes.subarray(0, first).every((byte) => byte === 0xa5)).toBe(true);
          expect(bytes.subarray(64 + layout.sizeBytes).every((byte) => byte === 0xa5)).toBe(true);
        }),
        { numRuns: 20 },
      );
    },
  );

  test("any bytes are values or a typed error", ({ expect }) => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: functionLayout.sizeBytes, maxLength: functionLayout.sizeBytes }),
        (bytes) => {
          try {
            decodeRecord(functionLayout, new DataView(bytes.buffer, bytes.byteOffset), 0);
          } catch (error) {
            expect(error).toMatchObject({ code: "AE_SHM_CORRUPTED", data: { reason: "ForbiddenValue" } });
          }
        },
      ),
    );
  });

  test("a text that is too long is cut between characters", ({ expect }) => {
    const view = new DataView(new ArrayBuffer(interfaceLayout.sizeBytes));
    const values = {
      name: "ääääääääääää",
      packets: 0,
      bytes: 0,
      syns: 0,
      drops: 0,
      redirected: 0,
      unparsed: unparsedReasons.map(() => 0),
    };
    encodeRecord(interfaceLayout, values, view, 0);
    expect(decodeRecord(interfaceLayout, view, 0).name).toBe("ääääääää");
  });

  test("there is room for every error code, and whole words only", ({ expect }) => {
    const codes = Object.keys(errorCodes);
    expect(codes.length).toBeLessThanOrEqual(errorCapacity);
    for (const code of codes) expect(code.length).toBeLessThan(errorLayout.fields.code.kind.sizeBytes);
    expect(planRegion({ functions: 3, interfaces: 1 }).sizeBytes % 64).toBe(0);
  });
});

describe("latency buckets", () => {
  test("rise, begin at 1 ms, end at 100 ms, and are fine below 15 ms", ({ expect }) => {
    expect(latencyBoundsMs[0]).toBe(1);
    expect(latencyBoundsMs.at(-1)).toBe(100);
    expect(latencyBoundsMs.filter((bound) => bound <= 15)).toHaveLength(15);
    expect(latencyBoundsMs.toSorted((a, b) => a - b)).toEqual([...latencyBoundsMs]);
  });

  test("a duration falls into the first bucket that holds it", ({ expect }) => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 200, noNaN: true }), (ms) => {
        const bucket = bucketOf(ms);
        expect(bucket).toBeLessThan(latencyBucketCount);
        expect(ms).toBeLessThanOrEqual(latencyBoundsMs[bucket] ?? Infinity);
        expect(ms).toBeGreaterThan(latencyBoundsMs[bucket - 1] ?? -1);
      }),
    );
  });
});
