/** Records of the stats region as values, and back: what stats-layout.ts describes, byte by byte. */
import { AetherError } from "./errors.ts";
import type { FieldKind, Fields, RecordLayout, ValuesOf } from "./stats-fields.ts";

const two32 = 2 ** 32;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Writes the values of a record that begins at `at`. Its sequence is not touched. */
export function encodeRecord<F extends Fields>(
  layout: RecordLayout<F>,
  values: ValuesOf<F>,
  view: DataView,
  at: number,
): void {
  for (const name of Object.keys(layout.fields)) {
    const field = layout.fields[name];
    if (field !== undefined) encodeField(field.kind, values[name], view, at + (layout.offsets[name] ?? 0));
  }
}

/** Reads a record. @throws AetherError AE_SHM_CORRUPTED for values that no writer of ours writes */
export function decodeRecord<F extends Fields>(
  layout: RecordLayout<F>,
  view: DataView,
  at: number,
): ValuesOf<F> {
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(layout.fields)) {
    const field = layout.fields[name];
    if (field === undefined) continue;
    const value = decodeField(field.kind, view, at + (layout.offsets[name] ?? 0));
    if (value === undefined) throw corrupted("ForbiddenValue", `${layout.name}.${name} has no legal value`);
    values[name] = value;
  }
  return values as ValuesOf<F>;
}

/** What is wrong with a region, as an error. `reason` is stable, for scripts. */
export function corrupted(
  reason: "Truncated" | "WrongMagic" | "ForbiddenValue" | "ForeignFile" | "Unsettled",
  why: string,
  path = "",
): AetherError {
  return new AetherError(
    "AE_SHM_CORRUPTED",
    `the statistics ${path === "" ? "of an engine" : path} cannot be read`,
    {
      why,
      hint: "If an engine of that name runs, start it again; if none does, remove the file.",
      data: { reason, path },
    },
  );
}

function writeU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % two32, true);
  view.setUint32(at + 4, Math.floor(value / two32), true);
}

/** `undefined` above 2^53. */
function readU64(view: DataView, at: number): number | undefined {
  const value = view.getUint32(at + 4, true) * two32 + view.getUint32(at, true);
  return Number.isSafeInteger(value) ? value : undefined;
}

function writeText(view: DataView, at: number, sizeBytes: number, text: string): void {
  const into = new Uint8Array(view.buffer, view.byteOffset + at, sizeBytes);
  // encodeInto stops before a character that does not fit as a whole.
  into.fill(0, encoder.encodeInto(text, into).written);
}

function readText(view: DataView, at: number, sizeBytes: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, sizeBytes);
  const end = bytes.indexOf(0);
  return decoder.decode(bytes.subarray(0, end === -1 ? sizeBytes : end));
}

type FieldValue = string | number | null | readonly number[];

const numberOf = (value: FieldValue | undefined): number => (typeof value === "number" ? value : Number.NaN);
const textOf = (value: FieldValue | undefined): string => (typeof value === "string" ? value : "");

function encodeField(kind: FieldKind, value: FieldValue | undefined, view: DataView, at: number): void {
  switch (kind.type) {
    case "u32":
      return view.setUint32(at, numberOf(value), true);
    case "u64":
      return writeU64(view, at, numberOf(value));
    case "f64":
      return view.setFloat64(at, numberOf(value), true);
    case "f64-or-null":
      return view.setFloat64(at, numberOf(value), true);
    case "text":
      return writeText(view, at, kind.sizeBytes, textOf(value));
    case "choice":
      return view.setUint32(at, kind.of.indexOf(textOf(value)), true);
    case "choice-or-null":
      return view.setUint32(at, kind.of.indexOf(textOf(value)) + 1, true);
    case "counts": {
      const counts = typeof value === "object" && value !== null ? value : [];
      for (let index = 0; index < kind.length; index++) writeU64(view, at + 8 * index, counts[index] ?? 0);
      return;
    }
    default:
      kind satisfies never;
  }
}

/** `undefined`: a value that the field cannot have. */
function decodeField(kind: FieldKind, view: DataView, at: number): FieldValue | undefined {
  switch (kind.type) {
    case "u32":
      return view.getUint32(at, true);
    case "u64":
      return readU64(view, at);
    case "f64": {
      const value = view.getFloat64(at, true);
      return Number.isFinite(value) ? value : undefined;
    }
    case "f64-or-null": {
      const value = view.getFloat64(at, true);
      if (Number.isNaN(value)) return null;
      return Number.isFinite(value) ? value : undefined;
    }
    case "text":
      return readText(view, at, kind.sizeBytes);
    case "choice":
      return kind.of[view.getUint32(at, true)];
    case "choice-or-null": {
      const index = view.getUint32(at, true);
      return index === 0 ? null : kind.of[index - 1];
    }
    case "counts": {
      const counts: number[] = [];
      for (let index = 0; index < kind.length; index++) {
        const count = readU64(view, at + 8 * index);
        if (count === undefined) return undefined;
        counts.push(count);
      }
      return counts;
    }
    default:
      return kind satisfies never;
  }
}
