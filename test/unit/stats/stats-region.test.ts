/** A stats region in a real file: its writer here, readers as other processes have them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, onTestFinished, test } from "vitest";
import { unparsedReasons } from "../../../src/protocol/unparsed-reasons.ts";
import type { StatsRegion } from "../../../src/engine/stats/stats-region.ts";
import { headerLayout } from "../../../src/protocol/stats-layout.ts";
import { livenessOf, silentAfterMs } from "../../../src/protocol/stats-liveness.ts";
import { StatsReader } from "../../../src/protocol/stats-reader.ts";
import { fakeFunction } from "../../helpers/fake-core.ts";
import { monotonicMs, pulseNow, recordOf, testRegion } from "../../helpers/stats-region.ts";

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), "aether-stats-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "aether-test.stats");
}

function reader(path: string): StatsReader {
  const opened = StatsReader.open(path);
  if (opened === null) throw new Error("no region");
  onTestFinished(() => opened[Symbol.dispose]());
  return opened;
}

function region(path: string): StatsRegion {
  const made = testRegion(path);
  onTestFinished(() => made[Symbol.dispose]());
  return made;
}

const hello = fakeFunction("hello");

describe("the file", () => {
  test("is the owner's alone, and gone after an end in order", ({ expect }) => {
    const path = place();
    const writer = region(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { size } = statSync(path);
    // Reserved as a whole: a full file system must show when it is made, not as a signal at some later write.
    expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(size);
    const open = reader(path);
    writer[Symbol.dispose]();
    expect(existsSync(path)).toBe(false);
    expect(existsSync(`${path}.new`)).toBe(false);
    expect(StatsReader.open(path)).toBeNull();
    expect(livenessOf(open.read(), monotonicMs())).toBe("ended");
  });

  test("takes the place of what an engine that was killed has left", ({ expect }) => {
    const path = place();
    writeFileSync(path, "old");
    writeFileSync(`${path}.new`, "half");
    region(path);
    expect(reader(path).read().header.name).toBe("test");
  });

  test("never follows a link that somebody has put there", ({ expect }) => {
    const path = place();
    const victim = `${path}.victim`;
    writeFileSync(victim, "precious");
    symlinkSync(victim, `${path}.new`);
    symlinkSync(victim, path);
    region(path);
    expect(readFileSync(victim, "utf8")).toBe("precious");
    expect(reader(path).read().functions).toEqual([]);
    rmSync(path);
    symlinkSync(victim, path);
    expect(() => StatsReader.open(path)).toThrow(expect.objectContaining({ code: "AE_SHM_MAP_FAILED" }));
  });

  test("without a place for it: a typed error that names the file", ({ expect }) => {
    expect(() => testRegion("/proc/aether-test.stats")).toThrow(
      expect.objectContaining({ code: "AE_SHM_CREATE_FAILED" }),
    );
  });
});

describe("records", () => {
  test("come in the order of the configuration; one that is removed is gone", ({ expect }) => {
    const path = place();
    const writer = region(path);
    for (const [position, id] of ["c", "a", "b"].entries())
      writer.setFunction(recordOf(fakeFunction(id), { position: 2 - position }));
    const ids = (): string[] => {
      using open = reader(path);
      return open.read().functions.map((each) => each.id);
    };
    expect(ids()).toEqual(["b", "a", "c"]);
    writer.removeFunction("a");
    expect(ids()).toEqual(["b", "c"]);
    writer.setFunction(recordOf(fakeFunction("d"), { position: 9 }));
    expect(ids()).toEqual(["b", "c", "d"]);
  });

  test("are written on change only", ({ expect }) => {
    const path = place();
    const writer = region(path);
    writer.setFunction(recordOf(hello));
    writer.flush();
    const before = readFileSync(path);
    writer.setFunction(recordOf(hello));
    writer.flush();
    expect(readFileSync(path).equals(before)).toBe(true);
    writer.setFunction(recordOf(hello, { openConnections: 1 }));
    expect(readFileSync(path).equals(before)).toBe(false);
  });

  test("totals are the sum of all counters, and outlive the functions", ({ expect }) => {
    const path = place();
    const writer = region(path);
    const counts = (first: number): number[] =>
      Array.from({ length: 23 }, (_, index) => (index === 0 ? first : 0));
    writer.setFunction(recordOf(hello, { coldStarts: 2, restoreCounts: counts(5), restoreSumMs: 10 }));
    writer.setFunction(recordOf(fakeFunction("other"), { coldStarts: 3 }));
    writer.setFunction(recordOf(hello, { coldStarts: 4, restoreCounts: counts(6), restoreSumMs: 12.5 }));
    writer.removeFunction("hello");
    // Made anew by a reload: it counts from zero.
    writer.setFunction(recordOf(hello, { coldStarts: 1 }));
    writer.countError("AE_EARLY_EXIT", true);
    writer.countError("AE_INTERNAL", false);
    writer.countError("AE_EARLY_EXIT", true);
    writer.flush();
    const { totals, errors } = reader(path).read();
    expect(totals).toMatchObject({ coldStarts: 8, restoreSumMs: 12.5, errorsElsewhere: 1 });
    expect(totals.restoreCounts[0]).toBe(6);
    expect(errors).toEqual([
      { code: "AE_EARLY_EXIT", count: 2 },
      { code: "AE_INTERNAL", count: 1 },
    ]);
  });

  test("interfaces come and go", ({ expect }) => {
    const path = place();
    const writer = region(path);
    const counts = {
      packets: 7,
      bytes: 700,
      syns: 1,
      drops: 0,
      redirected: 2,
      unparsed: unparsedReasons.map((_, index) => index),
    };
    const names = Array.from({ length: 9 }, (_, index) => `eth${index}`);
    const open = reader(path);
    writer.setInterfaces(names.map((name) => ({ name, ...counts })));
    expect(open.read().interfaces.map(({ name }) => name)).toEqual(names);
    writer.setInterfaces([{ name: "lo", ...counts }]);
    expect(open.read().interfaces).toEqual([{ name: "lo", ...counts }]);
  });

  test("a region that grows is followed by its readers, nothing lost", ({ expect }) => {
    const path = place();
    const writer = region(path);
    writer.countError("AE_INTERNAL", false);
    const open = reader(path);
    expect(open.read().header.generation).toBe(1);
    const stranger = readFileSync(path);
    for (let index = 0; index < 100; index++)
      writer.setFunction(recordOf(fakeFunction(`f${index}`), { position: index, coldStarts: 1 }));
    writer.flush();
    const { header, functions, errors, totals } = open.read();
    expect(header.generation).toBe(4);
    expect(functions.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, index) => `f${index}`));
    expect(errors).toEqual([{ code: "AE_INTERNAL", count: 1 }]);
    expect(totals.coldStarts).toBe(100);
    expect(stranger.length).toBeLessThan(statSync(path).size);
  });
});

describe("idle, silent, dead, ended", () => {
  test("are told apart", ({ expect }) => {
    const path = place();
    const writer = region(path);
    const open = reader(path);
    const now = monotonicMs();
    writer.beat(pulseNow({ heartbeatMs: now }));
    expect(livenessOf(open.read(), now + 150)).toBe("live");
    expect(livenessOf(open.read(), now + silentAfterMs + 1)).toBe("silent");
    const dead = { ...open.read() };
    // A pid that is used again has another start time.
    expect(livenessOf({ ...dead, header: { ...dead.header, startTicks: 1 } }, now)).toBe("dead");
    writer[Symbol.dispose]();
    expect(livenessOf(open.read(), now)).toBe("ended");
  });
});

describe("files that are none", () => {
  const broken: readonly (readonly [string, (path: string) => void, object])[] = [
    ["empty", (path) => truncateSync(path, 0), { code: "AE_SHM_CORRUPTED", data: { reason: "Truncated" } }],
    [
      "shorter than its header",
      (path) => truncateSync(path, 100),
      { code: "AE_SHM_CORRUPTED", data: { reason: "Truncated" } },
    ],
    [
      "cut after its header",
      (path) => truncateSync(path, headerLayout.sizeBytes + 10),
      { code: "AE_SHM_CORRUPTED", data: { reason: "Truncated" } },
    ],
    [
      "of another kind",
      (path) => writeFileSync(path, "PNG".repeat(1000)),
      { code: "AE_SHM_CORRUPTED", data: { reason: "WrongMagic" } },
    ],
    [
      "of another version",
      (path) => patch(path, headerLayout.offsets.layoutVersion, 99),
      { code: "AE_SHM_VERSION" },
    ],
    [
      "with room for more functions than it has bytes",
      (path) => patch(path, headerLayout.offsets.functionCapacity, 0xffff_ffff),
      { code: "AE_SHM_CORRUPTED", data: { reason: "ForbiddenValue" } },
    ],
    [
      "whose records lie elsewhere",
      (path) => patch(path, headerLayout.offsets.functionOffset, 64),
      { code: "AE_SHM_CORRUPTED", data: { reason: "ForbiddenValue" } },
    ],
    [
      "that others may write",
      (path) => chmodSync(path, 0o666),
      { code: "AE_SHM_CORRUPTED", data: { reason: "ForeignFile" } },
    ],
  ];

  test.for(broken)("%s: a typed error", ([, spoil, expected], { expect }) => {
    const path = place();
    const source = `${path}.source`;
    region(source);
    writeFileSync(path, readFileSync(source), { mode: 0o600 });
    spoil(path);
    let thrown: unknown = null;
    try {
      StatsReader.open(path)?.[Symbol.dispose]();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject(expected);
    expect((thrown as { data: { path: string } }).data.path).toBe(path);
  });

  test("one that shrinks under its reader: a typed error, no signal", ({ expect }) => {
    const path = place();
    const source = `${path}.source`;
    region(source);
    writeFileSync(path, readFileSync(source), { mode: 0o600 });
    const open = reader(path);
    open.read();
    truncateSync(path, headerLayout.sizeBytes);
    expect(() => open.read()).toThrow(expect.objectContaining({ code: "AE_SHM_CORRUPTED" }));
    appendFileSync(path, Buffer.alloc(1_000_000, 0xff));
    expect(() => open.read()).toThrow(expect.objectContaining({ code: "AE_SHM_CORRUPTED" }));
  });

  test("a record that its writer never finished: told, not waited for", ({ expect }) => {
    const path = place();
    const source = `${path}.source`;
    region(source);
    writeFileSync(path, readFileSync(source), { mode: 0o600 });
    patch(path, headerLayout.sizeBytes, 1);
    expect(() => reader(path).read()).toThrow(
      expect.objectContaining({
        code: "AE_SHM_CORRUPTED",
        data: expect.objectContaining({ reason: "Unsettled" }),
      }),
    );
  });
});

describe("a writer and readers in processes of their own", () => {
  test("no reader ever sees a torn record, through changes without pause and growth", async ({ expect }) => {
    const path = place();
    const program = fileURLToPath(new URL("../../helpers/stats-hammer.ts", import.meta.url));
    const run = (...args: string[]) => {
      const child = spawn(
        process.execPath,
        ["--disable-warning=ExperimentalWarning", program, ...args, path],
        {
          stdio: ["pipe", "pipe", "inherit"],
        },
      );
      onTestFinished(() => void child.kill("SIGKILL"));
      return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
    };
    const writer = run("write");
    expect((await writer.lines.next()).value).toBe("writing");
    const readers = [run("read", "400"), run("read", "400")];
    for (const { lines } of readers) {
      const seen = JSON.parse(String((await lines.next()).value)) as Record<string, number>;
      expect(seen["torn"]).toBe(0);
      expect(seen["records"]).toBeGreaterThan(400);
      expect(seen["different"]).toBeGreaterThan(10);
    }
    writer.child.stdin.end();
    const written = JSON.parse(String((await writer.lines.next()).value)) as Record<string, number>;
    expect(written["generation"]).toBeGreaterThan(1);
    await once(writer.child, "close");
    expect(existsSync(path)).toBe(false);
  });
});

function patch(path: string, at: number, value: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(value, at);
  writeFileSync(path, bytes);
}
