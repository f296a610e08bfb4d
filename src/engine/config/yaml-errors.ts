/** Errors of the yaml package in words for someone who writes a configuration, and where to show them. */
import { visit } from "yaml";
import type { Document, ParsedNode, YAMLError } from "yaml";

/** What is said of a file that no parser follows to its end. */
export const tooDeep = "the file is nested too deeply";

/** What an error code of the yaml package means to someone who writes a configuration. */
export function explainYamlError(error: YAMLError): { message: string; hint: string | null } {
  switch (error.code) {
    case "RESOURCE_EXHAUSTION":
      return { message: tooDeep, hint: null };
    case "TAB_AS_INDENT":
      return { message: "YAML does not allow tabs as indentation", hint: "Use blanks." };
    case "MULTIPLE_DOCS":
      return {
        message: "more than one YAML document in the file",
        hint: 'Remove the line "---" and what follows, or make it a file of its own.',
      };
    case "TAG_RESOLVE_FAILED":
      return {
        message: "tags (!name) are not supported",
        hint: "Remove the tag; a text that begins with ! needs quotes.",
      };
    case "MISSING_CHAR":
      if (/quote/.test(error.message))
        return {
          message: "this quote is not closed",
          hint: "In double quotes a \" is written \\\", in single quotes a ' is written ''.",
        };
      return { message: firstLine(error), hint: null };
    case "BAD_DQ_ESCAPE":
      return {
        message: "this escape does not exist in double quotes",
        hint: "Write \\\\ for a backslash, or use single quotes.",
      };
    case "BAD_ALIAS":
      return {
        message: "this anchor or alias is not valid",
        hint: "A text that begins with & or * needs quotes.",
      };
    case "BAD_SCALAR_START":
      return {
        message: "a value without quotes cannot begin with this character",
        hint: "Put the value in quotes.",
      };
    default:
      return { message: firstLine(error), hint: null };
  }
}

/** The package's own sentence. Some for unexpected tokens quote the text behind a colon: it may be an env value. */
function firstLine(error: YAMLError): string {
  const first = error.message.split(error.code === "UNEXPECTED_TOKEN" ? /\n|: / : "\n", 1)[0] ?? "";
  return first.charAt(0).toLowerCase() + first.slice(1);
}

/** Where an error is shown: an open quote at its beginning, not at the end of the file where it was missed. */
export function placeOfYamlError(
  error: YAMLError,
  document: Document.Parsed<ParsedNode>,
): readonly [number, number] {
  let range: readonly [number, number] = error.pos;
  if (error.code === "MISSING_CHAR" && /quote/.test(error.message)) {
    visit(document, {
      Scalar(_, scalar) {
        if (
          scalar.type?.startsWith("QUOTE") &&
          scalar.range &&
          scalar.range[0] < error.pos[0] &&
          scalar.range[1] >= error.pos[0]
        )
          range = [scalar.range[0], scalar.range[0] + 1];
      },
    });
  }
  return range;
}
