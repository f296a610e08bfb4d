/** What the engine refused or could not do: kept, and shown in a dialog that can be read, scrolled and copied. */
import type { ErrorData } from "../../protocol/errors.ts";
import { plural } from "../format/units.ts";
import type { Modal, Paragraph } from "./types.ts";

/** One order that failed; safe to draw. */
export interface Failure {
  /** What was asked, as "snapshot of api". */
  readonly what: string;
  readonly error: ErrorData;
}

/** The oldest beyond these are forgotten. */
export const maxFailures = 50;

export type Report = Extract<Modal, { type: "report" }>;

function paragraphsOf({ what, error }: Failure): readonly Paragraph[] {
  const output = error.data["output"];
  const lines = Array.isArray(output) ? output : [];
  return [
    { text: `${error.code}  ${error.what}`, role: "bad", lead: "✗ " },
    ...(error.why === null ? [] : [{ text: error.why, role: "text", lead: "  " } as const]),
    ...(error.hint === null ? [] : [{ text: error.hint, role: "text", lead: "→ " } as const]),
    ...lines.map((text) => ({ text, role: "dim", lead: "│ " }) as const),
    { text: `asked: ${what}`, role: "dim", lead: "  " },
  ];
}

function textOf({ what, error }: Failure): string {
  return [
    `${error.code} ${error.what}`,
    ...(error.why === null ? [] : [`why: ${error.why}`]),
    ...(error.hint === null ? [] : [`do: ${error.hint}`]),
    `asked: ${what}`,
  ].join("\n");
}

/** The dialog of some failures, the newest first. */
export function failureReport(failures: readonly Failure[]): Report {
  const newest = failures.toReversed();
  const [first] = newest;
  const title =
    failures.length === 1 && first !== undefined
      ? `${first.what} failed`
      : `${plural(failures.length, "order")} failed`;
  return {
    type: "report",
    failures,
    title,
    level: "bad",
    paragraphs: newest.flatMap((failure, index) => [
      ...(index === 0 ? [] : [{ text: "", role: "text", lead: "" } as const]),
      ...paragraphsOf(failure),
    ]),
    copy: newest.map((failure) => textOf(failure)).join("\n\n"),
    copyName: failures.length === 1 ? "the error" : `${failures.length} errors`,
    offset: 0,
  };
}
