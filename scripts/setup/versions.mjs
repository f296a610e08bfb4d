// @ts-check

/**
 * The numbers of a version as programs and packages write it: "v20.20.2", "1:4.2.1-1", "Version: 4.2.1".
 * An epoch and a Debian revision do not count. Null when there is no number.
 * @param {string} text
 * @returns {number[] | null}
 */
export function versionNumbers(text) {
  const match = /(?:^|[^\d.])v?(?:\d+:)?(\d+(?:\.\d+)*)/.exec(` ${text}`);
  return match?.[1] === undefined ? null : match[1].split(".").map(Number);
}

/**
 * Negative when `a` is older than `b`, 0 when equal; missing parts count as 0 ("4.2" equals "4.2.0").
 * @param {readonly number[]} a
 * @param {readonly number[]} b
 */
export function compareVersions(a, b) {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/**
 * False when the text holds no version.
 * @param {string | null | undefined} text
 * @param {string} minimum
 */
export function atLeast(text, minimum) {
  const have = versionNumbers(text ?? "");
  const want = versionNumbers(minimum);
  return have !== null && want !== null && compareVersions(have, want) >= 0;
}
