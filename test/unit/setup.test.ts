import { mkdtempSync, rmSync, symlinkSync, writeFileSync, mkdirSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { INDEX_FORMAT, candidateVersion, debianArchives, sourceLine } from "../../scripts/setup/apt.mjs";
import { compiledPath } from "../../scripts/setup/build.mjs";
import { whyCriuStale } from "../../scripts/setup/criu.mjs";
import { cannotInstall } from "../../scripts/setup/debian-packages.mjs";
import { SetupError } from "../../scripts/setup/errors.mjs";
import { linkPlan, ownerOf } from "../../scripts/setup/link.mjs";
import { takeLock } from "../../scripts/setup/lock.mjs";
import { lockDifference, npmFailure, unlockedOptionals } from "../../scripts/setup/node-packages.mjs";
import { platformProblem } from "../../scripts/setup/platform.mjs";
import { steps } from "../../scripts/setup/index.mjs";
import { Progress, failureLines } from "../../scripts/setup/progress.mjs";
import { run } from "../../scripts/setup/run.mjs";
import { hashOf, readStamp, whyStale, writeStamp } from "../../scripts/setup/stamp.mjs";
import { atLeast, compareVersions, versionNumbers } from "../../scripts/setup/versions.mjs";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/aether-setup-`);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("versions", () => {
  it.each([
    ["v20.20.2", [20, 20, 2]],
    ["1:4.2.1-1", [4, 2, 1]],
    ["Version: 4.2.1\n", [4, 2, 1]],
    ["3.17.1-2+deb12u2", [3, 17, 1]],
    ["24.21.0 3.3.4", [24, 21, 0]],
    ["none", null],
    ["", null],
  ])("reads %j", (text, numbers) => {
    expect(versionNumbers(text)).toEqual(numbers);
  });

  it("compares numbers, not text, and takes what is missing for 0", () => {
    expect(compareVersions([4, 10], [4, 9])).toBeGreaterThan(0);
    expect(compareVersions([4, 2], [4, 2, 0])).toBe(0);
    expect(atLeast("4.1.1-1", "4.2")).toBe(false);
    expect(atLeast("4.2.1-1", "4.2")).toBe(true);
    expect(atLeast(null, "4.2")).toBe(false);
    expect(atLeast("(none)", "4.2")).toBe(false);
  });
});

describe("apt's own words", () => {
  const lines = [
    "Packages|Debian|Debian|main|http://mirror.invalid/debian/",
    "Packages|Debian|Debian|main|http://mirror.invalid/debian/",
    "Packages|Debian|Debian-Security|main|http://mirror.invalid/debian-security/",
    "Packages|Debian|Debian|contrib|http://other.invalid/debian/",
    "Packages|Someone|Tools|main|http://tools.invalid/apt/",
    "Translations|Debian|Debian|main|http://mirror.invalid/debian/",
    "Packages|Debian|Debian|main|cdrom:[Debian 12]/",
    "Packages|Debian|Debian|main|file:/srv/debian/",
    "",
  ];

  it("names the archives of Debian itself, each once, and no other source", () => {
    expect(debianArchives(lines.join("\n"))).toEqual(["http://mirror.invalid/debian/", "file:/srv/debian/"]);
  });

  it("none before the first apt-get update", () => {
    expect(debianArchives("")).toEqual([]);
  });

  it("the format asks for the fields in the order in which they are read", () => {
    expect(INDEX_FORMAT.split("|")).toHaveLength(5);
  });

  it("a source for a newer release is bound to Debian's keys", () => {
    expect(sourceLine("http://mirror.invalid/debian/", "forky", "/keys.gpg")).toBe(
      "deb [signed-by=/keys.gpg] http://mirror.invalid/debian/ forky main\n",
    );
  });

  it("reads the candidate of apt-cache policy", () => {
    const policy = "criu:\n  Installed: (none)\n  Candidate: 4.2.1-1\n  Version table:\n     4.2.1-1 500\n";
    expect(candidateVersion(policy)).toBe("4.2.1-1");
    expect(candidateVersion("x:\n  Installed: 1\n  Candidate: (none)\n")).toBeNull();
    expect(candidateVersion("")).toBeNull();
  });
});

describe("staleness", () => {
  const stamp = { inputs: "a", outputs: ["/out/one", "/out/two"] };

  it("says why a step must run, in words", () => {
    expect(whyStale(null, "a")).toBe("not made yet");
    expect(whyStale(stamp, "b", () => true)).toBe("its inputs changed");
    expect(whyStale(stamp, "a", (path) => path !== "/out/two")).toBe("/out/two is missing");
    expect(whyStale(stamp, "a", () => true)).toBeNull();
  });

  it("a hash follows names and contents, not times; a missing file is not an empty one", () => {
    const file = `${folder}/a.c`;
    writeFileSync(file, "int a;");
    const first = hashOf({ files: [file], words: ["x"] });
    writeFileSync(file, "int a;");
    expect(hashOf({ files: [file], words: ["x"] })).toBe(first);
    expect(hashOf({ files: [file], words: ["y"] })).not.toBe(first);
    writeFileSync(file, "int b;");
    expect(hashOf({ files: [file], words: ["x"] })).not.toBe(first);
    writeFileSync(file, "");
    expect(hashOf({ files: [file] })).not.toBe(hashOf({ files: [`${folder}/b.c`] }));
  });

  it("a damaged stamp counts as none", () => {
    writeStamp("good", stamp, folder);
    expect(readStamp("good", folder)).toEqual(stamp);
    writeFileSync(`${folder}/cut.json`, '{"inputs":"a"');
    writeFileSync(`${folder}/odd.json`, '{"inputs":1}');
    expect([readStamp("cut", folder), readStamp("odd", folder), readStamp("none", folder)]).toEqual([
      null,
      null,
      null,
    ]);
  });

  it("CRIU is set up again when it is old, moved, gone, or not checked on this kernel", () => {
    const manifest = { version: "4.2.1", source: "Debian forky", prefix: "/p", arch: "x64", kernel: "6.1" };
    const here = { prefix: "/p", arch: "x64", kernel: "6.1", exists: () => true };
    expect(whyCriuStale(manifest, here)).toBeNull();
    expect(whyCriuStale(null, here)).toBe("no CRIU 4.2 yet");
    expect(whyCriuStale({ ...manifest, version: "4.1.1" }, here)).toBe("4.1.1 is older than 4.2");
    expect(whyCriuStale(manifest, { ...here, prefix: "/q" })).toBe("the checkout was moved");
    expect(whyCriuStale(manifest, { ...here, kernel: "6.2" })).toBe("not checked on kernel 6.2 yet");
    expect(whyCriuStale(manifest, { ...here, exists: () => false })).toBe("bin/criu is missing");
  });

  it("node_modules is compared with the lock file; packages for other machines may be absent", () => {
    const wanted = {
      packages: {
        "": {},
        "node_modules/a": { version: "1.0.0" },
        "node_modules/a/node_modules/b": { version: "2.0.0" },
        "node_modules/a-win32": { version: "1.0.0", optional: true },
      },
    };
    const good = {
      "node_modules/a": { version: "1.0.0" },
      "node_modules/a/node_modules/b": { version: "2.0.0" },
    };
    expect(lockDifference(wanted, { packages: good })).toBeNull();
    expect(lockDifference(wanted, {})).toBe("a is not installed");
    expect(lockDifference(wanted, { packages: { ...good, "node_modules/a": { version: "1.1.0" } } })).toBe(
      "a is 1.1.0, not 1.0.0",
    );
    expect(lockDifference(wanted, { packages: { ...good, "node_modules/c": { version: "1.0.0" } } })).toBe(
      "c is not in the lock file",
    );
  });

  it("finds the optional packages that a lock file leaves out", () => {
    const packages = {
      "node_modules/a": { optionalDependencies: { "@a/linux": "1.0.0", "@a/win32": "1.0.0" } },
      "node_modules/@a/linux": { version: "1.0.0", optional: true },
    };
    expect(unlockedOptionals({ packages })).toEqual(["@a/win32"]);
    expect(unlockedOptionals({ packages: { ...packages, "node_modules/@a/win32": {} } })).toEqual([]);
  });
});

describe("messages", () => {
  it.each([
    ["ENOTFOUND", /registry cannot be reached.*ENOTFOUND/, 3],
    ["EAI_AGAIN", /registry cannot be reached/, 3],
    ["E404", /registry/, 3],
    ["EACCES", /no permission/, 3],
    ["EINTEGRITY", /^EINTEGRITY$/, 1],
  ])("npm's %s is told in words", (code, why, exitCode) => {
    const stderr = `npm error code ${code}\nnpm error more\n`;
    const failure = npmFailure({ code: 1, signal: null, stdout: "", stderr });
    expect(failure.why).toMatch(why);
    expect(failure.exitCode).toBe(exitCode);
  });

  const debian = {
    platform: "linux",
    arch: "x64",
    node: "20.20.2",
    npm: "11.0.0",
    distribution: "Debian GNU/Linux 12",
    apt: true,
    root: true,
  };

  it("nothing to say on a Debian machine with root", () => {
    expect(platformProblem(debian)).toBeNull();
    expect(cannotInstall(debian, ["clang"])).toBeNull();
  });

  it.each([
    [{ ...debian, platform: "darwin" }, /needs Linux.*darwin/, /Debian 12/],
    [{ ...debian, arch: "ia32" }, /ia32/, /x86-64 or arm64/],
    [{ ...debian, node: "18.19.0" }, /18\.19\.0 is older than 20/, /install Node 20/],
    [{ ...debian, npm: "9.2.0" }, /npm 9\.2\.0 is older/, /npm install -g npm@10/],
  ])("a machine that no package can mend: exit code 3 %#", (machine, why, fix) => {
    const problem = platformProblem(machine);
    expect(problem?.why).toMatch(why);
    expect(problem?.fix).toMatch(fix);
    expect(problem?.exitCode).toBe(3);
  });

  it("another distribution and a user without root are told exactly what to install", () => {
    const other = cannotInstall({ ...debian, apt: false, distribution: "Fedora 42" }, [
      "clang",
      "libbpf-dev",
    ]);
    expect(other?.why).toContain("Fedora 42");
    expect(other?.fix).toContain("clang libbpf-dev");
    const user = cannotInstall({ ...debian, root: false }, ["clang", "make"]);
    expect(user?.fix).toBe("as root: apt-get install -y --no-install-recommends clang make");
    expect([other?.exitCode, user?.exitCode]).toEqual([3, 3]);
  });

  it("a failure is what, why and what to do, one line each, then the program's words", () => {
    const error = new SetupError({ what: "W", why: "Y", fix: "F", output: "one\ntwo\n" });
    expect(failureLines(error, "Step")).toEqual([
      "FAILED Step: W",
      "  why: Y",
      "  do:  F",
      "",
      "  | one",
      "  | two",
    ]);
    expect(error.exitCode).toBe(1);
    expect(failureLines(new Error("odd"), "Step")[1]).toContain("an error in the set-up scripts");
  });
});

describe("progress", () => {
  const sink = (isTTY: boolean) => ({
    isTTY,
    columns: 60,
    text: "",
    write(text: string) {
      this.text += text;
    },
  });

  it("off a terminal: plain lines, no escape codes", () => {
    let now = 0;
    const stream = sink(false);
    const progress = new Progress({ stream, env: {}, now: () => now });
    progress.ok("Machine", "Debian");
    progress.begin("CRIU", "none yet");
    now = 3200;
    progress.doing("CRIU", "\x1b[32mdownloading\x1b[0m");
    progress.ok("CRIU");
    progress.warn("npx", "another one");
    progress.summary("Set-up");
    expect(stream.text).toBe(
      "ok  Machine (Debian, in place)\n... CRIU: none yet\nok  CRIU (3.2 s)\n" +
        "!!  npx: another one\nok  Set-up (1 of 2 steps had work, 3.2 s)\n",
    );
  });

  it("on a terminal: the live line is within the width and is cleared; NO_COLOR takes the colours", () => {
    const stream = sink(true);
    const progress = new Progress({ stream, env: { NO_COLOR: "1" }, now: () => 0 });
    progress.begin("Debian packages", "x".repeat(200));
    const live = stream.text.replace("\r\x1b[K", "");
    expect(live.length).toBeLessThan(60);
    progress.ok("Debian packages");
    expect(stream.text.endsWith("\r\x1b[K✓ Debian packages (0.0 s)\n")).toBe(true);
    expect(stream.text).not.toContain("\x1b[32m");
  });

  it("steps side by side: each with its own time, and the live line names them", () => {
    let now = 0;
    const stream = sink(true);
    const progress = new Progress({ stream, env: { NO_COLOR: "1" }, now: () => now });
    progress.begin("Node packages", "npm ci");
    now = 1000;
    progress.begin("CRIU", "none yet");
    progress.redraw();
    expect(stream.text).toContain("Node packages (and CRIU) 1.0 s  npm ci");
    now = 3000;
    progress.ok("CRIU");
    progress.ok("Node packages");
    expect(stream.text).toContain("✓ CRIU (2.0 s)");
    expect(stream.text).toContain("✓ Node packages (3.0 s)");
  });

  it("every step comes after those that it needs", () => {
    for (const [index, { after }] of steps.entries()) {
      const before = steps.slice(0, index).map(({ name }) => name);
      for (const name of after) expect(before).toContain(name);
    }
  });

  it("quiet: only steps that had work", () => {
    const stream = sink(false);
    const progress = new Progress({ stream, env: {}, quiet: true, now: () => 0 });
    progress.ok("Machine");
    progress.summary("Set-up");
    expect(stream.text).toBe("ok  Set-up (in place, 0.0 s)\n");
  });
});

describe("files and programs", () => {
  it("knows what a source compiles to", () => {
    expect(compiledPath("/s/ui/app.tsx", "/s", "/d")).toBe("/d/ui/app.js");
    expect(compiledPath("/s/cli.ts", "/s", "/d")).toBe("/d/cli.js");
    expect(compiledPath("/s/types.d.ts", "/s", "/d")).toBeNull();
  });

  it("tells whose global command aether is", () => {
    const { folder: link, bin } = linkPlan(folder);
    expect(ownerOf(folder)).toBe("none");
    mkdirSync(`${folder}/bin`, { recursive: true });
    mkdirSync(`${folder}/lib/node_modules`, { recursive: true });
    symlinkSync("/some/other/checkout", link.path);
    symlinkSync(bin.to, bin.path);
    expect(ownerOf(folder)).toBe("other checkout");
    rmSync(bin.path);
    writeFileSync(bin.path, "#!/bin/sh\n");
    expect(ownerOf(folder)).toBe("foreign");
    rmSync(bin.path);
    symlinkSync("../lib/node_modules/aether/cli.js", bin.path);
    expect(ownerOf(folder)).toBe("foreign");
  });

  it("a program that is not there is an answer, not a crash; one that hangs is ended", async () => {
    expect((await run("aether-no-such-program", [])).code).toBe(127);
    const slow = await run("sleep", ["30"], { timeoutMs: 50 });
    expect(slow.code).toBeNull();
    expect(slow.stderr).toContain("SIGKILL");
  });

  it("one set-up at a time; the lock of a dead process is taken over", async () => {
    const path = `${folder}/setup.lock`;
    const seen: string[] = [];
    const unlock = await takeLock(() => {}, { path });
    await expect(takeLock((text) => seen.push(text), { path, limitMs: 0 })).rejects.toThrow("does not end");
    unlock();
    expect(existsSync(path)).toBe(false);
    const gone = await run("sh", ["-c", "echo $$"]);
    writeFileSync(path, gone.stdout.trim());
    (await takeLock(() => {}, { path }))();
    expect(existsSync(path)).toBe(false);
  });
});
