/** `aether xdp load|show|unload`: XDP programs of one's own, without an engine. */
import { Argument, Command, Option } from "commander";
import type { XdpEntry } from "../engine/dataplane/manual.ts";
import { AetherError, assertNever } from "../protocol/errors.ts";
import { exitCodes } from "./exit-code.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";
import { refuseReadOnly } from "./with-engine.ts";

const actions = ["load", "show", "unload"] as const;
type Action = (typeof actions)[number];
const modes = ["auto", "native", "generic"] as const;

interface XdpOptions {
  readonly program?: string;
  readonly mode: (typeof modes)[number];
}

export function xdpCommand(): Command {
  const command = new Command("xdp")
    .description("attach an XDP program of your own to an interface, show what is attached, take it off")
    .addArgument(new Argument("<action>", "what to do").choices(actions))
    .addArgument(new Argument("[interface]", "network interface, for load and unload"))
    .addArgument(new Argument("[file]", "compiled BPF object, for load"))
    .addOption(new Option("--program <name>", "program of the object, where it has several"))
    .addOption(new Option("--mode <mode>", "where it runs").choices(modes).default("auto"));
  return onRun(command, (globals, [action = "", name, file]) => {
    const known = actions.find((each) => each === action) ?? "show";
    return run(globals, known, name ?? null, file ?? null, command.opts<XdpOptions>());
  });
}

async function run(
  globals: GlobalOptions,
  action: Action,
  name: string | null,
  file: string | null,
  options: XdpOptions,
): Promise<number> {
  const { listXdp, loadXdp, unloadXdp } = await import("../engine/dataplane/manual.ts");
  const { print, printJson } = await import("./output/print.ts");
  if (action !== "show") refuseReadOnly(globals, `xdp ${action}`);
  switch (action) {
    case "show": {
      const entries = listXdp().filter((entry) => name === null || entry.interface === name);
      if (globals.json === true) printJson(entries);
      else print(await table(entries, globals));
      return exitCodes.ok;
    }
    case "load": {
      const order = { interface: needed(name, "INTERFACE"), file: needed(file, "FILE.o") };
      const loaded = loadXdp({ ...order, program: options.program ?? null, mode: options.mode });
      if (globals.json === true) printJson(loaded.entry);
      else {
        const { program, programId, mode, interface: where } = loaded.entry;
        if (loaded.mounted) print("mounted the BPF file system at /sys/fs/bpf");
        print(`${program}, id ${programId}, is attached to ${where} (${mode})`);
      }
      return exitCodes.ok;
    }
    case "unload": {
      const entry = unloadXdp(needed(name, "INTERFACE"));
      if (globals.json === true) printJson(entry);
      else print(`${entry.program}, id ${entry.programId}, is off ${entry.interface}`);
      return exitCodes.ok;
    }
    default:
      return assertNever(action);
  }
}

function needed(operand: string | null, what: string): string {
  if (operand !== null) return operand;
  throw new AetherError("AE_USAGE", `${what} is missing`, {
    hint: "aether xdp load INTERFACE FILE.o [--program NAME] | show [INTERFACE] | unload INTERFACE",
  });
}

async function table(entries: readonly XdpEntry[], globals: GlobalOptions): Promise<string> {
  if (entries.length === 0) return "no XDP program is attached";
  const { colorsOn } = await import("./output/style.ts");
  const { renderTable } = await import("./output/table.ts");
  const titles = ["INTERFACE", "MODE", "PROGRAM", "ID", "TAG", "OWNER"];
  const rows = entries.map((entry) =>
    [entry.interface, entry.mode, entry.program, `${entry.programId}`, entry.tag, owners[entry.owner]].map(
      (text) => ({ text }),
    ),
  );
  return renderTable(
    titles.map((title) => ({ title })),
    rows,
    colorsOn(process.stdout, globals.color),
  );
}

const owners = {
  loaded: "aether xdp load",
  engine: "an engine",
  foreign: "foreign",
} as const satisfies Record<XdpEntry["owner"], string>;
