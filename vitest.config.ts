import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** One project per kind of test: what each may touch is in test/README.md. */
const project = (name: string, include: string[], timeoutMs: number) => ({
  extends: true as const,
  test: { name, include, testTimeout: timeoutMs, hookTimeout: timeoutMs },
});

export default defineConfig({
  test: {
    // Left alone, vitest takes one process less than there are cores: one, on a machine with two.
    maxWorkers: 2,
    // A program that a test starts need not read and compile the modules that the one before it has compiled.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL("build/compile-cache", import.meta.url)) },
    // Two cores, and most files of the integration project drive the kernel: files run one after another there.
    projects: [
      project("unit", ["test/unit/**/*.test.ts"], 10_000),
      project("ui", ["test/ui/**/*.test.tsx"], 10_000),
      {
        ...project("integration", ["test/integration/**/*.test.ts"], 60_000),
        test: {
          ...project("integration", ["test/integration/**/*.test.ts"], 60_000).test,
          fileParallelism: false,
        },
      },
      {
        ...project("e2e", ["test/e2e/**/*.test.ts"], 90_000),
        test: { ...project("e2e", ["test/e2e/**/*.test.ts"], 90_000).test, fileParallelism: false },
      },
    ],
  },
});
