/** Text and JSON to stdout. Nothing that a function wrote reaches a terminal unsanitized. */

/** Control and reordering characters that JSON leaves as they are. */
const unsafeInJson = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** A value as JSON, safe to show in a terminal; on one line for streams. */
export function toJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replace(
    unsafeInJson,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

export function printJson(value: unknown): void {
  print(toJson(value, 2));
}

/** Writes and waits while the reader is slower than the source. */
export async function printPaced(text: string): Promise<void> {
  if (process.stdout.write(text)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  process.stdout.once("drain", resolve);
  await promise;
}
