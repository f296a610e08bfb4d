/** What is loaded into the CRIU worker of a restore (rootfs/criu-restore.c) tells it nothing but the truth. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

const source = fileURLToPath(new URL("../rootfs/probe.c", import.meta.url));
const library = fileURLToPath(new URL("../../build/rootfs/aether-criu-restore.so", import.meta.url));

let folder: string;
let program: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "aether-probe-"));
  program = join(folder, "probe");
  execFileSync("gcc", ["-O1", "-o", program, source]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(env: NodeJS.ProcessEnv): string[][] {
  const { stdout, stderr, status } = spawnSync(program, {
    env,
    encoding: "utf8",
    timeout: 10_000,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  return stdout
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
}

it("answers the first question about restartable sequences as the kernel answers the second", () => {
  const [ahead, asked] = run({ LD_PRELOAD: library });
  // No process has such a number: the first was answered without one.
  expect(Number(ahead?.[0])).toBeGreaterThan(4_194_304);
  expect(Number(asked?.[0])).toBeLessThanOrEqual(4_194_304);
  expect(ahead?.slice(1)).toEqual(asked?.slice(1));
  expect(Number(ahead?.[1])).toBeGreaterThan(0);
});

it("lowers the priority of the worker after its answer, and of nobody else", () => {
  expect(run({ LD_PRELOAD: library }).at(-1)).toEqual(["0", "0", "19"]);
  expect(run({}).at(-1)).toEqual(["0", "0", "0"]);
});
