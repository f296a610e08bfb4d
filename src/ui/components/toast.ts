/** What an action came to: one row when it went well, code, reason and remedy when it did not. */
import { line, span } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { textWidth, wrapWords } from "../format/width.ts";
import type { Toast } from "../store/types.ts";

const signs = { good: "✓", bad: "✗", info: "•" } as const;
const roles = { good: "good", bad: "bad", info: "accent" } as const;

/** At most `height` rows for the newest toast. */
export function toastLines(
  toasts: readonly Toast[],
  closeKey: string,
  width: number,
  height: number,
): readonly Line[] {
  const toast = toasts.at(-1);
  if (toast === undefined || height <= 0) return [];
  const times = toast.times > 1 ? `  ×${toast.times}` : "";
  const more =
    toasts.length > 1
      ? `  (${toasts.length - 1} more, ${closeKey})`
      : toast.level === "bad"
        ? `  (${closeKey} closes)`
        : "";
  const sign = span(` ${signs[toast.level]} `, roles[toast.level]);
  const room = Math.max(10, width - 5);
  if (toast.error === null) {
    const texts = wrapWords(toast.text, room - textWidth(times + more)).slice(0, height);
    return texts.map((text, index) =>
      line(index === 0 ? sign : "   ", text, span(index === texts.length - 1 ? times + more : "", "dim")),
    );
  }
  const { code, what, why, hint } = toast.error;
  // The error itself says what failed on what; the text only speaks where it is not an error.
  const lines = [
    line(sign, span(code, "bad"), "  ", span(what, "strong"), span(times + more, "dim")),
    ...(why === null ? [] : wrapWords(why, room).map((text) => line("   ", text))),
  ];
  const remedy =
    hint === null
      ? []
      : wrapWords(hint, room).map((text, index) => line(span(index === 0 ? " → " : "   ", "accent"), text));
  // What to do is worth more than all of why.
  return [...lines.slice(0, Math.max(1, height - Math.min(remedy.length, 2))), ...remedy].slice(0, height);
}
