/** Colour for people: only on a terminal, and never the only carrier of a meaning. */
import type { InstanceState } from "../../protocol/states.ts";

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "cyan";

const codes: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  cyan: [36, 39],
};

/** Whether a stream takes colour: a terminal, and neither --no-color nor NO_COLOR (cli.ts turns it into FORCE_COLOR=0). */
export function colorsOn(stream: NodeJS.WriteStream, wanted: boolean): boolean {
  return wanted && stream.isTTY && process.env["FORCE_COLOR"] !== "0" && process.env["TERM"] !== "dumb";
}

export function paint(text: string, style: Style | null, on: boolean): string {
  if (!on || style === null) return text;
  const [open, close] = codes[style];
  return `\u001b[${open}m${text}\u001b[${close}m`;
}

export const stateStyles: Readonly<Record<InstanceState, Style>> = {
  Uninitialized: "dim",
  WarmSnapshot: "blue",
  Suspended: "cyan",
  Running: "green",
};
