/** The command line: parses, runs the verb, and turns every failure into its text and exit code. */
import { CommanderError } from "commander";
import type { Command } from "commander";
import { toAetherError } from "./protocol/errors.ts";
import { exitCodeOf, exitCodes } from "./commands/exit-code.ts";
import type { GlobalOptions } from "./commands/globals.ts";
import { buildProgram } from "./commands/program.ts";

/** Runs the command line `argv` (without node and script) and sets the exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  quietBrokenPipe();
  const program = buildProgram().exitOverride();
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (error) {
    process.exitCode = await report(error, program);
  }
  endSoon();
}

async function report(error: unknown, program: Command): Promise<number> {
  // Commander has printed its own text: help and version are no failures, everything else is a wrong command line.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  const failure = toAetherError(error);
  const globals = program.opts<GlobalOptions>();
  const { reportError } = await import("./commands/output/report-error.ts");
  const verbose = globals.verbose === true || (process.env["AETHER_DEBUG"] ?? "") !== "";
  reportError(failure, { json: globals.json === true, verbose, color: globals.color });
  return exitCodeOf(failure.code);
}

/**
 * `aether ps | head -1`: the reader has what it wanted. A terminal that was closed fails writes with EIO. While an
 * engine runs here it is ended in order first: once, for a second signal would end it at once.
 */
function quietBrokenPipe(): void {
  let told = false;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
    if (process.listenerCount("SIGHUP") === 0) process.exit(process.exitCode ?? exitCodes.ok);
    if (!told) process.kill(process.pid, "SIGHUP");
    told = true;
  });
  process.stderr.on("error", () => undefined); // nowhere left to tell it
}

/** A handle that was forgotten must not keep a verb that is done; output on its way has its time. */
function endSoon(): void {
  setTimeout(() => process.exit(), 2000).unref();
}
