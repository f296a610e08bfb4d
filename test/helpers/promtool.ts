/** Prometheus' own checker, as the set-up has brought it (scripts/setup/promtool.mjs). */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { repository } from "./engine.ts";

const own = join(repository, ".tools/promtool/promtool");

interface Verdict {
  readonly code: number | null;
  readonly output: string;
}

function promtool(args: readonly string[], input: string): Promise<Verdict> {
  const child = spawn(existsSync(own) ? own : "promtool", args, { stdio: "pipe" });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** What `promtool check metrics` says of a text; "" where it has nothing to say. */
export function checkMetrics(text: string): Promise<Verdict> {
  return promtool(["check", "metrics"], text);
}

/** Whether expressions are PromQL: as recording rules, which promtool parses. */
export async function checkQueries(expressions: readonly string[]): Promise<Verdict> {
  const folder = mkdtempSync(join(tmpdir(), "aether-rules-"));
  const file = join(folder, "rules.yaml");
  try {
    const rules = expressions.map((expr, index) => ({ record: `q:${index}`, expr }));
    writeFileSync(file, stringify({ groups: [{ name: "dashboard", rules }] }));
    return await promtool(["check", "rules", file], "");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
