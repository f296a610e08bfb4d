/** A question, in a drawer over the hint line: it names what it will hit and stays bound to it. */
import { line, span } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { wrapWords } from "../format/width.ts";
import type { Keymap } from "../keys/keymap.ts";
import type { Modal } from "../store/types.ts";
import { ruleLine } from "./rule.ts";

export function dialogLines(
  modal: Extract<Modal, { type: "confirm" }>,
  width: number,
  keymap: Keymap,
): readonly Line[] {
  const button = (answer: "yes" | "no", text: string, key: string) =>
    modal.chosen === answer
      ? [span(` ${text} `, "button"), span(` ${key}  `, "key")]
      : [span(` ${text} `), span(` ${key}  `, "key")];
  return [
    ruleLine(line(span(modal.title, "warn")), line(), width, "warn"),
    ...modal.lines.flatMap((text) => wrapWords(text, width - 6).map((part) => line("   ", part))),
    line(
      "  ",
      ...button("yes", modal.yes, keymap.keyOf("dialog-yes")),
      " ",
      ...button("no", modal.no, keymap.keyOf("dialog-no")),
    ),
  ];
}
