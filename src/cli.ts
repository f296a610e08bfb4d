#!/usr/bin/env node
/** Launcher only: finds the Node that Aether needs, sets the environment, and runs main. Must itself run on any Node. */
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
// As a whole: an older Node lacks the name that is used of it, and must come as far as saying so.
import * as nodeModule from "node:module";
import { constants, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const neededMajor = 24;
const forwarded: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"];

/** Ink and React behave for production; libraries know FORCE_COLOR better than NO_COLOR, and warn where both are set. */
function prepareEnvironment(): void {
  process.env["NODE_ENV"] ??= "production";
  const noColor = process.env["NO_COLOR"];
  if ((noColor !== undefined && noColor !== "") || process.argv.includes("--no-color")) {
    process.env["FORCE_COLOR"] = "0";
    delete process.env["NO_COLOR"];
  }
}

/**
 * Parsed once, not at every start. In the home of the user that this runs as, by the password file and not by $HOME:
 * what lies there is run, and under sudo $HOME may be another's.
 */
function keepCompiled(): void {
  try {
    nodeModule.enableCompileCache(join(userInfo().homedir, ".cache", "aether", "compiled"));
  } catch {
    // A user without an entry has no home: everything works as before, some 100 ms later.
  }
}

/** Node 24 as npm installed it: in this package's node_modules, or hoisted into that of a folder above. */
function findNode(): string | null {
  const packageName = `node-linux-${process.arch}`;
  let folder = dirname(realpathSync(fileURLToPath(import.meta.url)));
  for (;;) {
    const node = join(folder, "node_modules", packageName, "bin", "node");
    if (existsSync(node)) return node;
    const parent = dirname(folder);
    if (parent === folder) return null;
    folder = parent;
  }
}

/** As exec would: same arguments, terminal and environment; signals, exit code and death by signal are passed on. */
function runWith(node: string): void {
  // The channel carries nothing: its end tells the engine that this launcher was killed.
  const child = spawn(node, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
  });
  for (const signal of forwarded) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(`cannot run ${node}: ${error.message}`));
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
    for (const each of forwarded) process.removeAllListeners(each);
  });
}

function fail(why: string): void {
  process.stderr.write(
    `error AE_MACHINE_NOT_READY: Aether needs Node ${neededMajor}, this is Node ${process.versions.node}\n`,
  );
  process.stderr.write(`  why: ${why}\n`);
  process.stderr.write("  do:  run `npm install` in Aether's folder: it brings a Node of its own\n");
  process.exitCode = 3;
}

prepareEnvironment();
if (Number.parseInt(process.versions.node, 10) >= neededMajor) {
  keepCompiled();
  const { main } = await import("./main.ts");
  await main(process.argv.slice(2));
} else {
  const node = findNode();
  if (node === null) fail(`no node-linux-${process.arch} package was found`);
  else runWith(node);
}
