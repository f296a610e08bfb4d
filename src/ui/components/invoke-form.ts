/** The form of an invocation as rows: a field each, the one that is typed into with its cursor in sight. */
import { emptyLine, line, span } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import type { Keymap } from "../keys/keymap.ts";
import { fieldsOf } from "../store/invoke-form.ts";
import type { InvokeForm } from "../store/invoke-form.ts";
import { inputSpans } from "./text-input.ts";
import { ruleLine } from "./rule.ts";

const labels = {
  method: "method",
  path: "path",
  headers: "headers",
  body: "body",
} as const;

const notes = {
  method: "",
  path: "",
  headers: "name: value; name: value",
  body: "none",
} as const;

export function invokeFormLines(form: InvokeForm, width: number, keymap: Keymap): readonly Line[] {
  const rows = fieldsOf(form).map((field) => {
    const focused = field === form.field;
    const input = form.inputs[field];
    const label = form.kind === "event" ? "event" : labels[field];
    const value: readonly Span[] = focused
      ? inputSpans(input, width - 14)
      : [input.text === "" ? span(notes[field], "dim") : span(oneLine(input.text))];
    return line(
      span(focused ? "▌ " : "  ", "accent"),
      span(label.padEnd(9), focused ? "strong" : "dim"),
      ...value,
    );
  });
  const what = form.kind === "event" ? "an event for its handler" : "a request on its port";
  const hint = span(`${keymap.keyOf("form-edit")} writes the body in your editor`, "dim");
  return [
    ruleLine(
      line(span(`Invoke ${form.functionId}`, "accent"), span(`  ${what}`, "dim")),
      line(),
      width,
      "accent",
    ),
    ...rows,
    form.problem === null ? line("  ", hint) : line("  ", span(`✗ ${form.problem}`, "bad")),
    emptyLine,
  ];
}

const oneLine = (text: string): string => text.replaceAll("\n", "⏎");
