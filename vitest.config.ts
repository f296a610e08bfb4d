import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** One project per kind of test: what each may touch is in test/README.md. */
const project = (name: string, include: string, timeoutMs: number, fileParallelism = true) => ({
  extends: true as const,
  test: { name, include: [include], testTimeout: timeoutMs, hookTimeout: timeoutMs, fileParallelism },
});

export default defineConfig({
  test: {
    // Left alone, vitest takes one process less than there are cores: one, on a machine with two. Tests of real engines
    // wait more than they work, and share nothing but the machine.
    maxWorkers: 2,
    // A program that a test starts need not read and compile the modules that the one before it has compiled.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL("build/compile-cache", import.meta.url)) },
    // A state that is waited for comes when it comes: the second that is vitest's own limit is short on a busy machine.
    expect: { poll: { timeout: 10_000 } },
    projects: [
      project("unit", "test/unit/**/*.test.ts", 20_000),
      project("ui", "test/ui/**/*.test.tsx", 20_000),
      project("integration", "test/integration/**/*.test.ts", 60_000),
      project("e2e", "test/e2e/**/*.test.ts", 90_000, false),
    ],
  },
});
