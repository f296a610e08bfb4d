/** For terminals that show nothing but ASCII: every glyph of the frame has a stand-in of the same width. */
import type { Line } from "./line.ts";
import { charWidth } from "./width.ts";

const standIns = new Map<string, string>(
  Object.entries({
    // States and what is under way stay apart from each other.
    "●": "*",
    "◐": "%",
    "○": "o",
    "▸": ">",
    "▾": "v",
    "▴": "^",
    "▪": "#",
    // Strokes, marks and signs.
    "─": "-",
    "━": "=",
    "│": "|",
    "┃": "#",
    "║": ":",
    "┆": ":",
    "▌": ">",
    "▐": ">",
    "▏": "|",
    "▶": ">",
    "◆": "+",
    "›": ">",
    "✓": "+",
    "✗": "x",
    "•": "-",
    "·": ".",
    "…": "~",
    "–": "-",
    "—": "-",
    "×": "x",
    "→": ">",
    "←": "<",
    "↑": "^",
    "↓": "v",
    // Small charts, from low to high.
    "▁": "_",
    "▂": ".",
    "▃": "-",
    "▄": "=",
    "▅": "+",
    "▆": "o",
    "▇": "O",
    "█": "#",
    "░": ".",
    "▒": ":",
    "▓": "#",
  }),
);
/** A key of its own: the only glyph whose stand-in is longer. */
const enterKey = "⏎";

const ascii = /^[ -~]*$/;

function charOf(char: string): string {
  if (ascii.test(char)) return char;
  if (char === enterKey) return "Enter";
  const known = standIns.get(char);
  if (known !== undefined) return known;
  // A letter with an accent is its letter; what has none is a question mark for each column.
  const base = char.normalize("NFD").slice(0, 1);
  return ascii.test(base) ? base : "?".repeat(charWidth(char));
}

/** The text in ASCII; of the same width, save for the Enter key. */
export function asciiText(text: string): string {
  return ascii.test(text) ? text : Array.from(text, (char) => charOf(char)).join("");
}

/** A line in ASCII. It may be wider than before: to be done before it is fitted to its row. */
export function asciiLine(line: Line): Line {
  if (line.spans.every((part) => ascii.test(part.text))) return line;
  return { ...line, spans: line.spans.map((part) => ({ ...part, text: asciiText(part.text) })) };
}
