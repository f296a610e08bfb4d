/** Small charts of block glyphs. */

const levels = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

/** The newest values as blocks, right-aligned in `width`; `top` is the value of a full block. */
export function sparkline(values: readonly number[], width: number, top: number): string {
  const shown = values.slice(-Math.max(0, width));
  const scale = top > 0 ? top : 1;
  const blocks = shown.map((value) => {
    const level = Math.ceil((Math.max(0, value) / scale) * levels.length) - 1;
    return levels[Math.max(0, Math.min(level, levels.length - 1))] ?? "▁";
  });
  return blocks.join("").padStart(Math.max(0, width));
}

/** A bar of `width` columns filled in the proportion `part / whole`. */
export function bar(
  part: number,
  whole: number,
  width: number,
): { readonly filled: string; readonly rest: string } {
  const share = whole > 0 ? Math.max(0, Math.min(1, part / whole)) : 0;
  const cells = Math.round(share * Math.max(0, width));
  return { filled: "━".repeat(cells), rest: "─".repeat(Math.max(0, width) - cells) };
}
