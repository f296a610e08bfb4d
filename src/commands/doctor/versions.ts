/** Versions as numbers. */

/** "6.18.5-amd64" -> [6, 18, 5]; `null` where there is no number. */
export function parseVersion(text: string): readonly number[] | null {
  const found = /(\d+(?:\.\d+)*)/.exec(text)?.[1];
  return found === undefined ? null : found.split(".").map(Number);
}

export function isAtLeast(version: readonly number[], minimum: readonly number[]): boolean {
  for (const [index, wanted] of minimum.entries()) {
    const have = version[index] ?? 0;
    if (have !== wanted) return have > wanted;
  }
  return true;
}
