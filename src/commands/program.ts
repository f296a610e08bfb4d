/** The command line as data: verbs, arguments, options. Help, completion and docs/cli.md are made from it. */
import { Command } from "commander";
import { nearest } from "../engine/config/suggest.ts";
import { packageVersion } from "../engine/package-paths.ts";
import { actionCommands } from "./actions.ts";
import { benchCommand } from "./bench.ts";
import { completionCommand, idsCommand } from "./completion.ts";
import { deployCommand } from "./deploy.ts";
import { doctorCommand } from "./doctor.ts";
import { downCommand } from "./down.ts";
import { eventsCommand } from "./events.ts";
import { addGlobalOptions } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { initCommand } from "./init.ts";
import { invocationsCommand } from "./invocations.ts";
import { invokeCommand } from "./invoke.ts";
import { logsCommand } from "./logs.ts";
import { planCommand } from "./plan.ts";
import { psCommand } from "./ps.ts";
import { runCommand } from "./run.ts";
import { statsCommand } from "./stats.ts";
import { tapCommand } from "./tap.ts";
import { upCommand } from "./up.ts";
import { validateCommand } from "./validate.ts";
import { wakesCommand } from "./wakes.ts";
import { xdpCommand } from "./xdp.ts";

export function buildProgram(): Command {
  const program = new Command("aether")
    .description(
      "Serverless functions on one Linux machine. Without a verb: the console, on the running engine or on one of its own.",
    )
    .version(packageVersion(), "--version", "print the version")
    .configureHelp({ showGlobalOptions: true })
    .helpCommand("help [verb]", "show how a verb is used")
    .helpOption("-h, --help", "show how it is used")
    .allowExcessArguments();
  addGlobalOptions(program);
  const verbs = [
    upCommand(),
    downCommand(),
    deployCommand(),
    validateCommand(),
    initCommand(),
    runCommand(),
    psCommand(),
    statsCommand(),
    ...actionCommands(),
    invokeCommand(),
    invocationsCommand(),
    logsCommand(),
    eventsCommand(),
    wakesCommand(),
    tapCommand(),
    doctorCommand(),
    planCommand(),
    xdpCommand(),
    benchCommand(),
    completionCommand(program),
  ];
  for (const verb of verbs) program.addCommand(finish(verb));
  program.addCommand(finish(idsCommand()), { hidden: true });
  return program.action(async () => {
    refuseUnknownVerb(program);
    const { runDefault } = await import("./console.ts");
    process.exitCode = await runDefault(program.opts<GlobalOptions>());
  });
}

/** What every verb shares; commander hands settings down only to commands that it makes itself. */
function finish(verb: Command): Command {
  return verb
    .configureHelp({ showGlobalOptions: true })
    .helpOption("-h, --help", "show how it is used")
    .allowExcessArguments(false)
    .exitOverride();
}

/** The program takes no arguments of its own, so a word that is left over is meant as a verb. */
function refuseUnknownVerb(program: Command): void {
  const [word] = program.args;
  if (word === undefined) return;
  const verbs = program.commands.filter((verb) => !verb.name().startsWith("__"));
  const names = verbs.flatMap((verb) => [verb.name(), ...verb.aliases()]);
  const meant = nearest(word, names);
  const hint = meant === null ? "" : `\n(Did you mean ${meant}?)`;
  program.error(`error: unknown command '${word}'${hint}`, { code: "commander.unknownCommand" });
}
