import { chmod, mkdtemp, readFile, readdir, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, onTestFinished, test } from "vitest";
import { LogFiles } from "../../../src/engine/logs/log-files.ts";
import { LogStore } from "../../../src/engine/logs/log-store.ts";
import { RotatingFile } from "../../../src/engine/logs/rotating-file.ts";

async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "aether-logs-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

describe("RotatingFile", () => {
  test("rotates by size, keeps the given number of files, all 0600", async ({ expect }) => {
    const dir = await tempDir();
    const file = new RotatingFile({
      path: join(dir, "f.log"),
      maxBytes: 100,
      files: 3,
      onNotice: () => undefined,
    });
    for (let index = 0; index < 20; index += 1) {
      file.write(`${`${index}`.padStart(29, "-")}\n`);
      await file.flush();
    }
    await file.close();
    expect((await readdir(dir)).sort()).toEqual(["f.log", "f.log.1", "f.log.2"]);
    const whole = await Promise.all(
      ["f.log.2", "f.log.1", "f.log"].map((name) => readFile(join(dir, name), "utf8")),
    );
    expect(whole.join("").match(/\d+/g)).toEqual(["12", "13", "14", "15", "16", "17", "18", "19"]);
    expect((await stat(join(dir, "f.log"))).mode & 0o777).toBe(0o600);
  });

  test("goes on at the end of an existing file", async ({ expect }) => {
    const dir = await tempDir();
    for (const text of ["one\n", "two\n"]) {
      await using file = new RotatingFile({ path: join(dir, "f.log"), onNotice: () => undefined });
      file.write(text);
    }
    expect(await readFile(join(dir, "f.log"), "utf8")).toBe("one\ntwo\n");
  });

  test("a full disk is told once and never throws; space found again is told too", async ({ expect }) => {
    const dir = await tempDir();
    const path = join(dir, "f.log");
    await symlink("/dev/full", path);
    const notices: string[] = [];
    await using file = new RotatingFile({ path, onNotice: (text) => void notices.push(text) });
    for (let index = 0; index < 5; index += 1) {
      file.write("x\n");
      await file.flush();
    }
    expect(notices).toHaveLength(1);
    expect(notices[0]).toContain("no space left");
    await rm(path);
    file.write("y\n");
    await file.flush();
    expect(notices).toHaveLength(2);
    expect(await readFile(path, "utf8")).toBe("y\n");
  });

  test("beyond the bound text is dropped and counted in the file", async ({ expect }) => {
    const dir = await tempDir();
    const path = join(dir, "f.log");
    await using file = new RotatingFile({ path, maxBufferedBytes: 10, onNotice: () => undefined });
    for (const text of ["12345\n", "67890\n", "abcde\n"]) file.write(text);
    await file.flush();
    expect(await readFile(path, "utf8")).toBe("12345\n-- 2 lines dropped: the disk was too slow --\n");
  });

  test("a folder that cannot be made is a notice", async ({ expect }) => {
    const notices: string[] = [];
    await using file = new RotatingFile({
      path: "/dev/null/f.log",
      onNotice: (text) => void notices.push(text),
    });
    file.write("x\n");
    await file.flush();
    expect(notices).toHaveLength(1);
  });
});

test("LogFiles writes the store's lines to one file per function", async ({ expect }) => {
  const dir = await tempDir();
  await chmod(dir, 0o700);
  const store = new LogStore({ now: () => 0 });
  const files = new LogFiles({ store, directory: dir, onNotice: () => undefined });
  store.append("a", "stdout", "one\n");
  store.append("b", "stderr", "two\n");
  await files.close();
  expect(await readFile(join(dir, "a.log"), "utf8")).toBe("1970-01-01T00:00:00.000Z stdout one\n");
  expect(await readFile(join(dir, "b.log"), "utf8")).toBe("1970-01-01T00:00:00.000Z stderr two\n");
});
