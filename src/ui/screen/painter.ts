/**
 * Writes frames to the alternate screen, row by row, only what differs. Ink keeps the terminal (input, alternate screen,
 * suspending, leaving); its own way from text to screen measures and parses every row several times over, which cost more
 * than all the rest of the console together (docs/console-look.md).
 */
import type { Line } from "../format/line.ts";
import { emptyLine } from "../format/line.ts";
import type { Theme } from "../theme/themes.ts";
import { fitRow, rowUpdate } from "./row-update.ts";

export interface Frame {
  readonly lines: readonly Line[];
  readonly columns: number;
  readonly rows: number;
  readonly theme: Theme;
}

export interface Painter {
  /** What Ink is to write to: whatever it writes may have touched the frame, which is then written anew. */
  readonly stdout: NodeJS.WriteStream;
  readonly show: (frame: Frame) => void;
}

const enterAlternate = "\u001b[?1049h";
const leaveAlternate = "\u001b[?1049l";
const eraseScreen = "\u001b[2J";
/** DEC mode 2026: the terminal shows what is between the two at once. Terminals without it ignore both. */
const beginSync = "\u001b[?2026h";
const endSync = "\u001b[?2026l";
/** Nothing but modes, such as the cursor's: nothing on the screen moves. */
const onlyModes = (text: string): boolean =>
  text.split("\u001b[").every((part) => part === "" || /^\?[\d;]*[hl]$/.test(part));

export function createPainter(stdout: NodeJS.WriteStream): Painter {
  let frame: Frame | null = null;
  /** The rows as they stand on the screen; `null`: nothing is known of it. */
  let shown: readonly Line[] | null = null;
  let shownTheme: Theme | null = null;
  let isOurs = false;
  let isRepainting = false;

  const paint = (): void => {
    if (!isOurs || frame === null) return;
    const { lines, columns, rows, theme } = frame;
    const before = shownTheme === theme && shown?.length === rows ? shown : null;
    const after = Array.from({ length: rows }, (_, row) => fitRow(lines[row] ?? emptyLine, columns));
    const changes = after
      .map((line, row) => rowUpdate(before?.[row] ?? null, line, row, columns, theme))
      .join("");
    shown = after;
    shownTheme = theme;
    const erase = before === null ? eraseScreen : "";
    if (changes !== "") stdout.write(beginSync + erase + changes + endSync);
  };

  /** After everything that Ink writes in this turn. */
  const repaintSoon = (): void => {
    shown = null;
    if (isRepainting) return;
    isRepainting = true;
    queueMicrotask(() => {
      isRepainting = false;
      paint();
    });
  };

  const write = (chunk: string | Uint8Array, done?: () => void): boolean => {
    const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    const hasRoom = stdout.write(chunk, done);
    if (text.includes(enterAlternate)) isOurs = true;
    if (text.includes(leaveAlternate)) isOurs = false;
    if (isOurs && (text.includes(enterAlternate) || !onlyModes(text))) repaintSoon();
    return hasRoom;
  };

  return {
    stdout: new Proxy(stdout, {
      get: (target, name) => {
        if (name === "write") return write;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
    show: (next) => {
      // Another size: the terminal has moved the rows as it likes.
      if (frame !== null && (frame.columns !== next.columns || frame.rows !== next.rows)) shown = null;
      frame = next;
      // Otherwise it is on its way.
      if (!isRepainting) paint();
    },
  };
}
