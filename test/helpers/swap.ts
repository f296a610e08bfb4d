/** Swap of a test's own: zram where the kernel has it, else a file. Nobody else's memory goes there: nothing on the machine is short. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TestSwap extends Disposable {
  readonly path: string;
  readonly kind: "zram" | "file";
  /** What the kernel has put there. */
  usedBytes(): number;
}

const sizeBytes = 256 * 1024 * 1024;
const zramControl = "/sys/class/zram-control";
/** Lowest: whatever swap the machine has is filled before. */
const priority = "0";

function run(program: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8", timeout: 30_000 });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr}`);
}

function activate(path: string, kind: TestSwap["kind"], release: () => void): TestSwap {
  try {
    run("mkswap", path);
    run("swapon", "-p", priority, path);
  } catch (error) {
    release();
    throw error;
  }
  return {
    path,
    kind,
    usedBytes() {
      const line = readFileSync("/proc/swaps", "utf8")
        .split("\n")
        .find((each) => each.startsWith(`${path} `) || each.startsWith(`${path}\t`));
      return Number(line?.trim().split(/\s+/)[3] ?? 0) * 1024;
    },
    [Symbol.dispose]() {
      run("swapoff", path);
      release();
    },
  };
}

function makeZram(): TestSwap {
  const number = readFileSync(`${zramControl}/hot_add`, "utf8").trim();
  const release = (): void => writeFileSync(`${zramControl}/hot_remove`, number);
  try {
    writeFileSync(`/sys/block/zram${number}/disksize`, String(sizeBytes));
  } catch (error) {
    release();
    throw error;
  }
  return activate(`/dev/zram${number}`, "zram", release);
}

function makeFile(): TestSwap {
  const folder = mkdtempSync(join(tmpdir(), "aether-swap-"));
  const path = join(folder, "swap");
  writeFileSync(path, Buffer.alloc(sizeBytes), { mode: 0o600 });
  return activate(path, "file", () => rmSync(folder, { recursive: true, force: true }));
}

/** Why this machine cannot have swap for a test; `null` where it can. */
export function swapMissing(): string | null {
  if (process.getuid?.() !== 0) return "without root";
  if (!existsSync("/proc/swaps")) return "the kernel has no swap";
  if (existsSync(zramControl)) return null;
  // A file on tmpfs or overlay cannot be swap.
  const tmpfsMagic = 0x01021994;
  return statfsSync(tmpdir()).type === tmpfsMagic ? "no zram, and the temporary folder is a tmpfs" : null;
}

/** Makes some; the caller disposes of it. */
export function makeSwap(): TestSwap {
  return existsSync(zramControl) ? makeZram() : makeFile();
}
