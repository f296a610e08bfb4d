/** The C programs of rootfs/ under ASan and UBSan, driven by test/rootfs/run.py as the engine drives them. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

function run(command: string, args: readonly string[]): { status: number | null; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    timeout: 55_000,
  });
  return { status, output: `${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}` };
}

describe.skipIf(process.getuid?.() !== 0)(
  "launcher and init (skipped without root: they make namespaces)",
  () => {
    it("build with the sanitizers", () => {
      const { status, output } = run("make", ["-C", "rootfs", "asan"]);
      expect(status, output).toBe(0);
    });

    it("pass every case of test/rootfs/run.py", () => {
      const { status, output } = run("python3", ["test/rootfs/run.py"]);
      process.stdout.write(output);
      expect(status, output).toBe(0);
    });
  },
);
