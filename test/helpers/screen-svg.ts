/** A screen as a picture: an SVG in which every piece of text stands at its column, whatever the reader's font. */
import type { IBufferCell, IBufferLine, Terminal } from "@xterm/headless";

const cellWidth = 8.4;
const lineHeight = 18;
const margin = 12;
const ground = "#16181d";
const foreground = "#d7dae0";

const basic = [
  "#000000",
  "#cd0000",
  "#00cd00",
  "#cdcd00",
  "#0000ee",
  "#cd00cd",
  "#00cdcd",
  "#e5e5e5",
  "#7f7f7f",
  "#ff0000",
  "#00ff00",
  "#ffff00",
  "#5c5cff",
  "#ff00ff",
  "#00ffff",
  "#ffffff",
] as const;

const hex = (...parts: readonly number[]): string =>
  `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;

/** The palette of 256: sixteen, a cube of six steps, and greys. */
function paletteColour(index: number): string {
  const own = basic[index];
  if (own !== undefined) return own;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return hex(grey, grey, grey);
  }
  const step = (value: number): number => (value === 0 ? 0 : 55 + value * 40);
  const cube = index - 16;
  return hex(step(Math.floor(cube / 36)), step(Math.floor(cube / 6) % 6), step(cube % 6));
}

interface Look {
  readonly text: string;
  readonly back: string;
  readonly isBold: boolean;
  readonly isUnderlined: boolean;
}

function lookOf(cell: IBufferCell): Look {
  const text = cell.isFgPalette() ? paletteColour(cell.getFgColor()) : foreground;
  const back = cell.isBgPalette() ? paletteColour(cell.getBgColor()) : ground;
  const isInverse = cell.isInverse() !== 0;
  return {
    text: isInverse ? back : text,
    back: isInverse ? text : back,
    isBold: cell.isBold() !== 0,
    isUnderlined: cell.isUnderline() !== 0,
  };
}

interface Run extends Look {
  readonly chars: string;
  readonly column: number;
  readonly columns: number;
}

const isSame = (a: Look, b: Look): boolean =>
  a.text === b.text && a.back === b.back && a.isBold === b.isBold && a.isUnderlined === b.isUnderlined;

function runsOf(line: IBufferLine): readonly Run[] {
  const runs: Run[] = [];
  for (let column = 0; column < line.length; column += 1) {
    const cell = line.getCell(column);
    // The second half of a wide character.
    if (cell === undefined || cell.getWidth() === 0) continue;
    const look = lookOf(cell);
    const chars = cell.getChars() || " ";
    const before = runs.at(-1);
    if (before !== undefined && isSame(before, look)) {
      const columns = before.columns + cell.getWidth();
      runs[runs.length - 1] = { ...before, chars: before.chars + chars, columns };
    } else runs.push({ ...look, chars, column, columns: cell.getWidth() });
  }
  return runs;
}

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const number = (value: number): string => value.toFixed(1);

function drawn(run: Run, row: number): string {
  const x = margin + run.column * cellWidth;
  const y = margin + row * lineHeight;
  const width = run.columns * cellWidth;
  const back =
    run.back === ground
      ? ""
      : `<rect x="${number(x)}" y="${y - 1}" width="${number(width)}" height="${lineHeight}" fill="${run.back}"/>`;
  if (run.chars.trim() === "") return back;
  const bold = run.isBold ? ' font-weight="bold"' : "";
  const underline = run.isUnderlined ? ' text-decoration="underline"' : "";
  return `${back}<text x="${number(x)}" y="${y + 13}" fill="${run.text}"${bold}${underline} textLength="${number(width)}">${escape(run.chars)}</text>`;
}

/** The picture of what stands on the terminal now. The same screen gives the same bytes. */
export function screenSvg(terminal: Terminal): string {
  const buffer = terminal.buffer.active;
  const width = Math.round(terminal.cols * cellWidth + 2 * margin);
  const height = terminal.rows * lineHeight + 2 * margin;
  const rows = Array.from({ length: terminal.rows }, (_, row) => {
    const line = buffer.getLine(buffer.baseY + row);
    return line === undefined
      ? ""
      : runsOf(line)
          .map((run) => drawn(run, row))
          .join("");
  });
  const attributes = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
  const font = `font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${attributes} ${font} xml:space="preserve">`,
    `<rect width="100%" height="100%" rx="8" fill="${ground}"/>`,
    ...rows.filter((row) => row !== ""),
    "</svg>",
    "",
  ].join("\n");
}

/**
 * What a picture shows, as text to compare: a row for each row, pieces in their order, every figure and every filled part
 * of a chart alike, so that only a change of the layout is one.
 */
export function layoutOf(svg: string): string {
  const rows = svg.split("\n").slice(2);
  return rows
    .map((row) =>
      Array.from(row.matchAll(/<text [^>]*>([^<]*)<\/text>/g), (match) => match[1] ?? "")
        .join("")
        .replaceAll(/\d/g, "0")
        .replaceAll(/[▁-█]+/g, "▄")
        .replaceAll(/[━─]+/g, "─")
        .replaceAll(/ +/g, " ")
        .trim(),
    )
    .filter((row) => row !== "")
    .join("\n");
}
