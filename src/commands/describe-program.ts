/** The command line as plain data, from which completions and docs/cli.md are made. */
import type { Command } from "commander";

export interface OptionInfo {
  readonly short: string | null;
  readonly long: string;
  /** As in the help: "-n, --lines <count>". */
  readonly flags: string;
  readonly description: string;
  /** What its value is: nothing, one of these words, a file or folder, or anything. */
  readonly value: null | readonly string[] | "file" | "any";
}

export interface ArgumentInfo {
  readonly name: string;
  readonly usage: string;
  readonly description: string;
  readonly value: readonly string[] | "function" | "file" | "any";
}

export interface VerbInfo {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly description: string;
  readonly arguments: readonly ArgumentInfo[];
  readonly options: readonly OptionInfo[];
}

export interface ProgramInfo {
  readonly description: string;
  readonly options: readonly OptionInfo[];
  readonly verbs: readonly VerbInfo[];
}

/** Hidden verbs and options are left out. */
export function describeProgram(program: Command): ProgramInfo {
  const verbs = program.commands.filter((verb) => !verb.name().startsWith("__"));
  return { description: program.description(), options: optionsOf(program), verbs: verbs.map(describeVerb) };
}

function describeVerb(verb: Command): VerbInfo {
  const args = verb.registeredArguments.map((argument): ArgumentInfo => {
    const name = argument.name();
    const inner = argument.variadic ? `${name}...` : name;
    const value =
      argument.argChoices ??
      (name === "id" ? "function" : name === "file" || name === "folder" ? "file" : "any");
    return {
      name,
      usage: argument.required ? `<${inner}>` : `[${inner}]`,
      description: argument.description,
      value,
    };
  });
  return {
    name: verb.name(),
    aliases: verb.aliases(),
    description: verb.description(),
    arguments: args,
    options: optionsOf(verb),
  };
}

function optionsOf(command: Command): OptionInfo[] {
  return command.options
    .filter((option) => !option.hidden)
    .map((option) => ({
      short: option.short ?? null,
      long: option.long ?? "",
      flags: option.flags,
      description:
        option.defaultValue === undefined || option.negate
          ? option.description
          : `${option.description} (default: ${String(option.defaultValue)})`,
      value:
        option.required || option.optional
          ? (option.argChoices ?? (/<(file|path)>/.test(option.flags) ? "file" : "any"))
          : null,
    }));
}
