/** How a record of shared memory is described: a table of fields, from which offsets, types, reader, writer and docs come. */

/** What a field holds. Numbers are little-endian; every one begins at a multiple of its own size. */
export type FieldKind =
  | { readonly type: "u32" }
  /** Written and read as two halves; above 2^53 is refused. */
  | { readonly type: "u64" }
  | { readonly type: "f64" }
  /** NaN stands for "not known". */
  | { readonly type: "f64-or-null" }
  /** UTF-8, cut at a character, filled up with zeros. */
  | { readonly type: "text"; readonly sizeBytes: number }
  /** A u32: the place in the list. */
  | { readonly type: "choice"; readonly of: readonly string[] }
  /** A u32: 0 for none, else the place in the list plus one. */
  | { readonly type: "choice-or-null"; readonly of: readonly string[] }
  /** So many u64. */
  | { readonly type: "counts"; readonly length: number };

export interface Field {
  readonly kind: FieldKind;
  /** A counter only rises while the thing it belongs to lives; the totals are sums of counters. */
  readonly role: "counter" | "gauge";
  readonly doc: string;
}

export type Fields = Readonly<Record<string, Field>>;

type ValueOf<K extends FieldKind> = K extends { readonly type: "text" }
  ? string
  : K extends { readonly type: "choice"; readonly of: readonly (infer V)[] }
    ? V
    : K extends { readonly type: "choice-or-null"; readonly of: readonly (infer V)[] }
      ? V | null
      : K extends { readonly type: "f64-or-null" }
        ? number | null
        : K extends { readonly type: "counts" }
          ? readonly number[]
          : number;

/** The values of a record, by the names of its table. */
export type ValuesOf<F extends Fields> = { readonly [Name in keyof F]: ValueOf<F[Name]["kind"]> };

/** `NoInfer`: the table around it must not widen the kind to any kind. */
/** A field of a table by its name. */
export interface FieldOf<K extends FieldKind, R extends Field["role"]> {
  readonly kind: NoInfer<K>;
  readonly role: R;
  readonly doc: string;
}

export const gauge = <const K extends FieldKind>(kind: K, doc: string): FieldOf<K, "gauge"> => ({
  kind,
  role: "gauge",
  doc,
});
export const counter = <const K extends FieldKind>(kind: K, doc: string): FieldOf<K, "counter"> => ({
  kind,
  role: "counter",
  doc,
});

export const u32 = { type: "u32" } as const;
export const u64 = { type: "u64" } as const;
export const f64 = { type: "f64" } as const;
export const f64OrNull = { type: "f64-or-null" } as const;

export interface RecordLayout<F extends Fields> {
  readonly name: string;
  readonly doc: string;
  readonly fields: F;
  /** Where each field begins, from the start of the record. */
  readonly offsets: Readonly<Record<keyof F & string, number>>;
  /** From one record to the next: a multiple of a cache line, so that two records never share one. */
  readonly sizeBytes: number;
}

const cacheLineBytes = 64;

/** `sequence` (u32) and `used` (u32) come first in every record that is written while others read it. */
export const sequenceAt = 0;
export const usedAt = 4;
export const guardedFieldsAt = 8;

export function fieldBytes(kind: FieldKind): number {
  switch (kind.type) {
    case "u32":
    case "choice":
    case "choice-or-null":
      return 4;
    case "u64":
    case "f64":
    case "f64-or-null":
      return 8;
    case "text":
      return kind.sizeBytes;
    case "counts":
      return 8 * kind.length;
  }
}

function alignment(kind: FieldKind): number {
  return fieldBytes(kind) === 4 ? 4 : 8;
}

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** Lays the fields out in the order of the table. @param firstAt where the first one may begin */
export function layRecord<F extends Fields>(
  name: string,
  firstAt: number,
  doc: string,
  fields: F,
): RecordLayout<F> {
  const offsets: Record<string, number> = {};
  let at = firstAt;
  for (const [field, { kind }] of Object.entries(fields)) {
    at = roundUp(at, alignment(kind));
    offsets[field] = at;
    at += fieldBytes(kind);
  }
  return {
    name,
    doc,
    fields,
    offsets: offsets as RecordLayout<F>["offsets"],
    sizeBytes: roundUp(at, cacheLineBytes),
  };
}
