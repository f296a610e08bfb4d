/** The engine that tests start leaves nothing behind, whether it started or not. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, vi } from "vitest";
import { freePort, TestEngine } from "../../helpers/engine.ts";

test("a test engine whose start fails leaves no folder behind", async ({ expect, onTestFinished }) => {
  const folder = mkdtempSync(join(tmpdir(), "aether-helpers-"));
  vi.stubEnv("TMPDIR", folder);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });
  const start = TestEngine.start({ functions: [{ id: "no way", command: "sh" }] });
  await expect(start).rejects.toThrow("AE_CONFIG_INVALID_ID");
  expect(readdirSync(folder)).toEqual([]);
  const images = readdirSync("/dev/shm").filter((name) => name.startsWith(`t${process.pid}x`));
  expect(images).toEqual([]);
});

test("free ports come once, and none of those that outgoing connections are given", async ({ expect }) => {
  const ports = await Promise.all(Array.from({ length: 50 }, freePort));
  expect(new Set(ports).size).toBe(50);
  expect(Math.max(...ports)).toBeLessThan(32_768);
});
