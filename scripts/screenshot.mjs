// @ts-check
/**
 * Draws what a terminal shows as an SVG: `tmux capture-pane -e -p | node scripts/screenshot.mjs COLUMNS > file.svg`.
 * Knows the colours and attributes that the console uses (SGR 0, 1, 2, 3, 4, 7, 30-37, 90-97, 38;5, 38;2, 48;5, 48;2).
 */
import { readFileSync } from "node:fs";

const sgrStart = `${String.fromCodePoint(0x1b)}[`;
const cellWidth = 8.4;
const cellHeight = 18;
const ground = "#16181d";
const ink = "#d7dae0";
const basic = ["#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d7dae0"];
const bright = ["#6b7280", "#ff7b85", "#b5e08f", "#f2d28b", "#7cc0ff", "#d897ec", "#6fd0da", "#ffffff"];

/** @param {number} index of the 256-colour palette @returns {string} */
function palette(index) {
  if (index < 8) return basic[index] ?? ink;
  if (index < 16) return bright[index - 8] ?? ink;
  if (index >= 232) return grey(8 + (index - 232) * 10);
  const steps = [0, 95, 135, 175, 215, 255];
  const at = index - 16;
  return rgb(steps[Math.floor(at / 36)] ?? 0, steps[Math.floor(at / 6) % 6] ?? 0, steps[at % 6] ?? 0);
}

/** @param {number} value */
const grey = (value) => rgb(value, value, value);
/** @param {...number} parts */
const rgb = (...parts) => `#${parts.map((part) => part.toString(16).padStart(2, "0")).join("")}`;

/** @typedef {{ fg: string | null, bg: string | null, bold: boolean, dim: boolean, italic: boolean, underline: boolean, inverse: boolean }} Style */

/** @returns {Style} */
const plain = () => ({
  fg: null,
  bg: null,
  bold: false,
  dim: false,
  italic: false,
  underline: false,
  inverse: false,
});

/** @param {Style} style @param {number[]} codes @returns {Style} */
function apply(style, codes) {
  let next = { ...style };
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 0) next = plain();
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 22) next.bold = next.dim = false;
    else if (code === 27) next.inverse = false;
    else if (code >= 30 && code <= 37) next.fg = basic[code - 30] ?? null;
    else if (code >= 90 && code <= 97) next.fg = bright[code - 90] ?? null;
    else if (code >= 40 && code <= 47) next.bg = basic[code - 40] ?? null;
    else if (code === 39) next.fg = null;
    else if (code === 49) next.bg = null;
    else if (code === 38 || code === 48) {
      const colour =
        codes[at + 1] === 5
          ? palette(codes[at + 2] ?? 0)
          : rgb(codes[at + 2] ?? 0, codes[at + 3] ?? 0, codes[at + 4] ?? 0);
      at += codes[at + 1] === 5 ? 2 : 4;
      if (code === 38) next.fg = colour;
      else next.bg = colour;
    }
  }
  return next;
}

/** @param {string} text */
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const columns = Number(process.argv[2] ?? 100);
const lines = readFileSync(0, "utf8").replace(/\n$/, "").split("\n");
/** @type {string[]} */
const out = [];
let style = plain();
for (const [row, line] of lines.entries()) {
  let column = 0;
  // Every piece but the first begins with the codes of an SGR sequence, up to its m.
  for (const [index, piece] of line.split(sgrStart).entries()) {
    const end = index === 0 ? -1 : piece.indexOf("m");
    if (index > 0) style = apply(style, piece.slice(0, end).split(";").map(Number));
    const part = piece.slice(end + 1);
    const length = Array.from(part).length; // the console draws no wide character
    if (length === 0) continue;
    const fg = (style.inverse ? style.bg : style.fg) ?? (style.inverse ? ground : ink);
    const bg = style.inverse ? (style.fg ?? ink) : style.bg;
    const x = (column * cellWidth + 12).toFixed(1);
    const y = row * cellHeight + 12;
    if (bg !== null)
      out.push(
        `<rect x="${x}" y="${y}" width="${(length * cellWidth).toFixed(1)}" height="${cellHeight}" fill="${bg}"/>`,
      );
    if (part.trim() !== "") {
      const weight = style.bold ? ' font-weight="bold"' : "";
      const opacity = style.dim ? ' opacity="0.6"' : "";
      out.push(
        `<text x="${x}" y="${y + 13}" fill="${fg}"${weight}${opacity} textLength="${(length * cellWidth).toFixed(1)}">${escape(part)}</text>`,
      );
    }
    column += length;
  }
}
const width = Math.ceil(columns * cellWidth + 24);
const height = lines.length * cellHeight + 24;
process.stdout.write(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14" xml:space="preserve"><rect width="100%" height="100%" rx="8" fill="${ground}"/>${out.join("\n")}</svg>\n`,
);
