/** Lines to strings with colours. Written out here, not by chalk, which under NO_COLOR drops bold and inverse too. */
import { plainText, sourceRoles } from "../format/line.ts";
import type { Line, Role } from "../format/line.ts";
import type { Style, Theme } from "./themes.ts";

const wrap = (text: string, styles: readonly Style[]): string =>
  styles.reduceRight((inner, style) => `${style.on}${inner}${style.off}`, text);

const blankRoles: ReadonlySet<Role> = new Set([
  "text",
  "strong",
  "dim",
  "accent",
  "key",
  "good",
  "calm",
  "warn",
  "bad",
  ...sourceRoles,
]);

/** `null` paints nothing: for screen readers. */
export function paint(value: Line, theme: Theme | null): string {
  if (theme === null) return plainText(value);
  let out = "";
  for (const part of value.spans) {
    if (part.text === "") continue;
    // A blank without ground or stroke looks the same in every colour: fewer bytes.
    const styles = blankRoles.has(part.role) && part.text.trim() === "" ? [] : theme.styles[part.role];
    out += wrap(part.text, value.selected ? [...theme.selected, ...styles] : styles);
  }
  return out;
}
