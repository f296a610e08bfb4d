/** `aether doctor`: what this machine has and lacks, and what to do about it. */
import { Command } from "commander";
import type { CheckReport, CheckStatus } from "./doctor/check.ts";
import { exitCodes } from "./exit-code.ts";
import { onRun } from "./globals.ts";
import type { GlobalOptions } from "./globals.ts";

export function doctorCommand(): Command {
  return onRun(
    new Command("doctor").description(
      "check this machine: kernel, capabilities, CRIU, cgroups, shared memory",
    ),
    run,
  );
}

async function run(globals: GlobalOptions): Promise<number> {
  const { runChecks } = await import("./doctor/run-checks.ts");
  const { allChecks } = await import("./doctor/all-checks.ts");
  const { print, printJson } = await import("./output/print.ts");
  const { colorsOn, paint } = await import("./output/style.ts");
  const { sanitize } = await import("../ui/format/sanitize.ts");
  const reports: CheckReport[] = [];
  const colors = colorsOn(process.stdout, globals.color);
  for await (const report of runChecks(await allChecks(globals))) {
    reports.push(report);
    if (globals.json === true) continue;
    print(
      `${paint(report.status.padEnd(4), statusStyles[report.status], colors)}  ${report.name.padEnd(14)} ${sanitize(report.what)}`,
    );
    if (report.why !== null) print(`      why: ${sanitize(report.why)}`);
    if (report.hint !== null) print(`      do:  ${sanitize(report.hint)}`);
  }
  if (globals.json === true) printJson(reports);
  return reports.some(({ status }) => status === "fail") ? exitCodes.machine : exitCodes.ok;
}

const statusStyles: Readonly<Record<CheckStatus, "green" | "yellow" | "red">> = {
  ok: "green",
  warn: "yellow",
  fail: "red",
};
