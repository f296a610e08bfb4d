/**
 * The baseline: `criu restore` by its command line, of the same image, as fair as it can be: warm kernel-feature cache,
 * cgroups ignored, no network lock, a fresh process namespace for each. The time is that of the criu process alone.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Milliseconds of each of `n` restores. Needs root; works in namespaces of its own. */
export function restoreByCommandLine(criu: string, image: string, n: number): number[] {
  const manifest = JSON.parse(readFileSync(join(image, "manifest.json"), "utf8")) as {
    stdout: string;
    stderr: string;
  };
  const work = mkdtempSync(join(tmpdir(), "aether-bench-"));
  const restore = [
    criu,
    "--no-default-config restore -d",
    `-D ${image} -W ${work} -o restore.log -v0`,
    "--manage-cgroups=ignore --network-lock skip --file-locks",
    `--inherit-fd 'fd[10]:${manifest.stdout}' --inherit-fd 'fd[11]:${manifest.stderr}'`,
  ].join(" ");
  const once = `exec 10>/dev/null 11>/dev/null; a=$EPOCHREALTIME; ${restore} >/dev/null 2>&1 || { echo failed; cat ${work}/restore.log >&2; exit 1; }; b=$EPOCHREALTIME; echo $(( \${b/./} - \${a/./} ))`;
  const script = [
    "set -e",
    "mount -t tmpfs tmpfs /run",
    "ip link set lo up",
    "echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind",
    `${criu} --no-default-config check >/dev/null 2>&1 || true`,
    `for i in $(seq ${n}); do unshare --pid --fork --mount-proc bash ${work}/once; done`,
  ].join("\n");
  try {
    writeFileSync(join(work, "once"), once);
    writeFileSync(join(work, "all"), script);
    const output = execFileSync("unshare", ["--mount", "--net", "bash", join(work, "all")], {
      encoding: "utf8",
      timeout: 300_000,
    });
    return output
      .trim()
      .split("\n")
      .map((line) => Number(line) / 1000);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
