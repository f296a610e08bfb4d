/** Completion scripts, made from the command line as it is defined. Function ids come from `aether __ids`. */
import type { Command } from "commander";
import { assertNever } from "../protocol/errors.ts";
import { describeProgram } from "./describe-program.ts";
import type { OptionInfo, ProgramInfo, VerbInfo } from "./describe-program.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

export function isShell(text: string): text is Shell {
  return shells.some((shell) => shell === text);
}

export function completionScript(shell: Shell, program: Command): string {
  const info = describeProgram(program);
  switch (shell) {
    case "bash":
      return bashScript(info);
    case "zsh":
      // zsh runs bash completions; one script less that can drift.
      return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(info)}`;
    case "fish":
      return fishScript(info);
    default:
      return assertNever(shell);
  }
}

const names = (verb: VerbInfo): readonly string[] => [verb.name, ...verb.aliases];
const flags = (options: readonly OptionInfo[]): string[] =>
  options.flatMap(({ short, long }) => (short === null ? [long] : [short, long]));

/** The words of an argument or option, as bash's compgen takes them; "" for none. */
function bashWords(value: readonly string[] | "function" | "file" | "any" | null): string {
  if (value === null || value === "any") return ":";
  if (value === "file") return 'COMPREPLY=($(compgen -f -- "$word"))';
  const words =
    value === "function" ? '$("${COMP_WORDS[0]}" "${given[@]}" __ids 2>/dev/null)' : value.join(" ");
  return `COMPREPLY=($(compgen -W "${words}" -- "$word"))`;
}

function bashScript(info: ProgramInfo): string {
  const valued = [...info.options, ...info.verbs.flatMap((verb) => verb.options)].filter(
    ({ value }) => value !== null,
  );
  const valueCases = [...new Map(valued.map((option) => [flags([option]).join("|"), option])).entries()];
  const verbCases = info.verbs.map((verb) => {
    const first = verb.arguments[0];
    const argument = first === undefined ? ":" : bashWords(first.value);
    return `    ${names(verb).join("|")}) options="${flags(verb.options).join(" ")}"; [[ $word == -* ]] || ${argument} ;;`;
  });
  return [
    "# bash completion of aether; made by `aether completion`",
    "_aether() {",
    '  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" verb="" options="" index',
    "  local -a given=()",
    "  COMPREPLY=()",
    "  for ((index = 1; index < COMP_CWORD; index++)); do",
    '    case "${COMP_WORDS[index]}" in',
    '      -c|--config|--engine) given+=("${COMP_WORDS[index]}" "${COMP_WORDS[index+1]}"); ((index++)) ;;',
    "      -*) ;;",
    '      *) verb="${COMP_WORDS[index]}"; break ;;',
    "    esac",
    "  done",
    '  case "$before" in',
    ...valueCases.map(([pattern, option]) => `    ${pattern}) ${bashWords(option.value)}; return ;;`),
    "  esac",
    '  case "$verb" in',
    `    "") options=""; [[ $word == -* ]] || COMPREPLY=($(compgen -W "${info.verbs.flatMap(names).join(" ")}" -- "$word")) ;;`,
    ...verbCases,
    "  esac",
    `  [[ $word == -* ]] && COMPREPLY=($(compgen -W "$options ${flags(info.options).join(" ")} --help" -- "$word"))`,
    "}",
    "complete -F _aether aether",
  ].join("\n");
}

const fishQuote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

function fishScript(info: ProgramInfo): string {
  const option = (condition: string, { short, long, description, value }: OptionInfo): string => {
    const parts = [
      "complete -c aether",
      condition,
      short === null ? "" : `-s ${short.slice(1)}`,
      `-l ${long.slice(2)}`,
    ];
    if (value !== null)
      parts.push(
        "-r",
        value === "file" ? "-F" : value === "any" ? "-f" : `-f -a ${fishQuote(value.join(" "))}`,
      );
    return [...parts.filter((part) => part !== ""), `-d ${fishQuote(description)}`].join(" ");
  };
  const verbs = info.verbs.flatMap((verb) => {
    const seen = `-n ${fishQuote(`__fish_seen_subcommand_from ${names(verb).join(" ")}`)}`;
    const first = verb.arguments[0]?.value;
    const words =
      first === "function"
        ? "(aether __ids 2>/dev/null)"
        : typeof first === "object"
          ? first.join(" ")
          : null;
    return [
      ...names(verb).map(
        (name) => `complete -c aether -n __fish_use_subcommand -a ${name} -d ${fishQuote(verb.description)}`,
      ),
      ...(words === null ? [] : [`complete -c aether ${seen} -a ${fishQuote(words)}`]),
      ...(first === "file" ? [`complete -c aether ${seen} -F`] : []),
      ...verb.options.map((each) => option(seen, each)),
    ];
  });
  return [
    "# fish completion of aether; made by `aether completion`",
    "complete -c aether -f",
    ...info.options.map((each) => option("", each)),
    ...verbs,
  ].join("\n");
}
