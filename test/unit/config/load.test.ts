import fc from "fast-check";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { AetherConfig, ConfigProblem } from "../../../src/protocol/config.ts";
import { formatProblems } from "../../../src/engine/config/format-problems.ts";
import { loadConfig, parseConfig } from "../../../src/engine/config/load.ts";
import { fromRoot, options, testMachine } from "./machine.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "aether-load-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const good = (text: string): AetherConfig => {
  const result = parseConfig(text, join(dir, "aether.yaml"), options);
  if (!result.ok) throw new Error(formatProblems(result.problems, result.source));
  return result.config;
};
const problems = (text: string): readonly ConfigProblem[] => {
  const result = parseConfig(text, join(dir, "aether.yaml"), options);
  return result.ok ? [] : result.problems;
};
const codes = (text: string): string[] => problems(text).map(({ code }) => code);
const one = (fields: string): string =>
  `version: 1\nfunctions:\n  - id: hello\n    command: sh\n    trigger_port: 8080\n${fields.replaceAll(/^/gm, "    ")}\n`;

/** For what takes two seconds on a machine with nothing else to do. */
const patienceMs = 60_000;

describe("defaults", () => {
  it("fills in everything", () => {
    expect(good("version: 1\nfunctions:\n  - { id: hello, command: sh -c 'exit 0' }\n")).toEqual({
      file: join(dir, "aether.yaml"),
      engine: {
        name: "default",
        snapshotDir: "/dev/shm",
        keepSnapshots: false,
        restoreBudgetMs: 15,
        onViolation: "fail",
        logLevel: "info",
        maxParallelRestores: testMachine.cores,
        warmPool: null,
        breakpoints: "hardware",
        memoryBudgetBytes: null,
        metrics: { host: "127.0.0.1", port: 9090 },
        dataPlane: null,
        privateRange: null,
      },
      functions: [
        {
          id: "hello",
          command: ["sh", "-c", "exit 0"],
          program: "/usr/bin/sh",
          cwd: dir,
          triggerPort: null,
          protocol: "tcp",
          network: "shared",
          instances: 1,
          ready: { kind: "handshake" },
          readyTimeoutMs: 10_000,
          env: {},
          memoryLimitBytes: null,
          user: null,
          privileged: false,
          ring: false,
          handler: null,
          sleep: "keep",
          start: "snapshot",
          idle: { suspendAfterMs: 30_000, snapshotAfterMs: 300_000, ignoreOpen: false, reclaim: false },
          connections: "refuse",
          wakeOn: "connection",
          maxConnectionsPerSecond: null,
          restoreBudgetMs: 15,
          onViolation: "fail",
          onRestoreFailure: "fail",
          image: "auto",
          warmPool: null,
          warmup: [],
          proveDeploy: true,
          restoreAhead: "auto",
          stopSignal: "SIGTERM",
          stopTimeoutMs: 5000,
        },
      ],
    });
  });

  it("lets functions inherit budget and violation from the engine", () => {
    const text =
      "version: 1\nengine: { restore_budget_ms: 40, on_violation: serve }\nfunctions:\n  - { id: a, command: sh }\n  - { id: b, command: sh, restore_budget_ms: 2.5, on_violation: fail }\n";
    expect(
      good(text).functions.map(({ restoreBudgetMs, onViolation }) => [restoreBudgetMs, onViolation]),
    ).toEqual([
      [40, "serve"],
      [2.5, "fail"],
    ]);
  });

  it.each([
    ["snapshot_after: 10s", 10_000, 10_000],
    ["suspend_after: 10m", 600_000, 600_000],
    ["suspend_after: never", null, 300_000],
    ["snapshot_after: never", 30_000, null],
    ["suspend_after: 0", 0, 300_000],
    ["suspend_after: 5s, snapshot_after: 5s", 5000, 5000],
    ["suspend_after: never, snapshot_after: 1s", null, 1000],
  ])("a time left out does not contradict the one written: %s", (idle, suspendAfterMs, snapshotAfterMs) => {
    expect(good(one(`idle: { ${idle} }`)).functions[0]?.idle).toEqual({
      suspendAfterMs,
      snapshotAfterMs,
      ignoreOpen: false,
      reclaim: false,
    });
  });

  it("takes env values and words of a command as written", () => {
    const config = good(
      one("env: { VERSION: 1.10, FLAG: true, HEX: 0x1F, LONG: 12345678901234567890, EMPTY: '', TEXT: a b }"),
    );
    expect(config.functions[0]?.env).toEqual({
      VERSION: "1.10",
      FLAG: "true",
      HEX: "0x1F",
      LONG: "12345678901234567890",
      EMPTY: "",
      TEXT: "a b",
    });
    expect(
      good("version: 1\nfunctions: [{ id: a, command: [sh, -c, 8084, 1.10, true] }]").functions[0]?.command,
    ).toEqual(["sh", "-c", "8084", "1.10", "true"]);
  });

  it("shares values by alias", () => {
    const text = `version: 1\nfunctions:\n  - { id: a, command: &c [sh, 1.0], env: &e { N: 1.0 } }\n${Array.from({ length: 300 }, (_, i) => `  - { id: f${i}, command: *c, env: *e }`).join("\n")}\n`;
    const last = good(text).functions.at(-1);
    expect([last?.command, last?.env]).toEqual([["sh", "1.0"], { N: "1.0" }]);
  });

  it("looks the program up in the PATH of the function", () => {
    expect(codes(one("env: { PATH: /nowhere }"))).toEqual(["AE_CONFIG_PROGRAM_NOT_FOUND"]);
  });

  it("accepts an empty list of functions, CRLF and a byte order mark", () => {
    expect(good("version: 1\r\nfunctions: []\r\n").functions).toEqual([]);
    writeFileSync(join(dir, "bom.yaml"), "\uFEFFversion: 1\nfunctions: []\n");
    expect(loadConfig(join(dir, "bom.yaml"), options).ok).toBe(true);
  });
});

describe("every problem at once", () => {
  it("goes on with the checks after a wrong field", () => {
    expect(
      codes(
        "version: 1\nfunctions:\n  - { id: a, command: nowhere-to-be-found, trigger_port: x, user: nobdy, memory_limit: 1, cwd: ./no, idle: 3 }\n",
      ).toSorted(),
    ).toEqual([
      "AE_CONFIG_INVALID_PORT",
      "AE_CONFIG_INVALID_VALUE",
      "AE_CONFIG_MEMORY_LIMIT",
      "AE_CONFIG_UNKNOWN_USER",
    ]);
  });

  it(
    "is bounded, in number and in time",
    () => {
      const many = `version: 1\nfunctions:\n${Array.from({ length: 5000 }, (_, i) => `  - { id: "f ${i}", command: sh, x${i}: 1 }`).join("\n")}\n`;
      const found = problems(many);
      expect(found).toHaveLength(201);
      expect(found.at(-1)?.message).toBe("and 9800 more problems");
    },
    patienceMs,
  );

  it("limits what a program is given", () => {
    expect(codes(one(`env: { A: ${"x".repeat(120_000)}, B: ${"y".repeat(12_000)} }`))).toEqual([
      "AE_CONFIG_INVALID_VALUE",
    ]);
    expect(codes(one(`env: { A: ${"x".repeat(120_000)} }`))).toEqual([]);
  });
});

describe("hostile files", () => {
  // Each took minutes, or the whole stack, before it was bounded; the time limit is the assertion.
  it.each([
    ["very many aliases", `version: 1\nx: &a 1\nfunctions: [${"*a, ".repeat(200_000)}]`],
    ["very many keys", `version: 1\n${Array.from({ length: 30_000 }, (_, i) => `key${i}: 1`).join("\n")}`],
    ["deep nesting", `version: 1\nfunctions: ${"[".repeat(200_000)}`],
    ["deep mappings", `version: 1\nfunctions: ${"{a: ".repeat(3000)}1${"}".repeat(3000)}`],
    ["a long name", `version: 1\nfunctions: [{ id: a, command: ${"x".repeat(100_000)} }]`],
  ])(
    "answers %s in bounded time and size",
    (_, text) => {
      const found = problems(text);
      expect(found.length).toBeGreaterThan(0);
      expect(found.length).toBeLessThan(250);
      expect(
        Math.max(...found.map(({ message, text: quoted }) => message.length + quoted.length)),
      ).toBeLessThan(1000);
    },
    patienceMs,
  );
});

describe("a misspelt key", () => {
  it.each([
    ["handler", "functions:\n  - { id: hello, handler: { runtim: python, entry: app.handle } }", "runtime"],
    ["ready", "functions:\n  - { id: hello, command: sh, trigger_port: 1, ready: { htp: / } }", "http"],
  ])("of %s is told the key of that mapping", (_, text, meant) => {
    const found = problems(`version: 1\n${text}\n`);
    expect(found.map(({ hint }) => hint)).toContain(`Did you mean ${meant}?`);
  });
});

describe("files that are none", () => {
  const load = (name: string): string[] => {
    const result = loadConfig(join(dir, name), options);
    return result.ok ? [] : result.problems.map(({ code, line, message }) => `${code} ${line} ${message}`);
  };

  it("says why a file cannot be read", () => {
    mkdirSync(join(dir, "folder.yaml"));
    writeFileSync(join(dir, "latin.yaml"), Buffer.from([0x76, 0xe9, 0x0a]));
    writeFileSync(join(dir, "utf16.yaml"), Buffer.from("\uFEFFversion: 1", "utf16le"));
    writeFileSync(join(dir, "huge.yaml"), `# ${"x".repeat(1024 * 1024)}`);
    execFileSync("mkfifo", [join(dir, "fifo.yaml")]);
    expect(load("folder.yaml")).toEqual(["AE_CONFIG_UNREADABLE 0 this is a folder, not a file"]);
    expect(load("none.yaml")).toEqual(["AE_CONFIG_UNREADABLE 0 the file does not exist"]);
    expect(load("latin.yaml/x")).toEqual(["AE_CONFIG_UNREADABLE 0 a part of the path is not a folder"]);
    expect(load("latin.yaml")).toEqual(["AE_CONFIG_UNREADABLE 0 the file is not UTF-8 text"]);
    expect(load("utf16.yaml")).toEqual(["AE_CONFIG_UNREADABLE 0 the file is not UTF-8 text"]);
    expect(load("huge.yaml")).toEqual(["AE_CONFIG_UNREADABLE 0 the file is larger than 1 MiB"]);
    expect(load("fifo.yaml")).toEqual(["AE_CONFIG_UNREADABLE 0 this is not a regular file"]);
  });

  it("never throws, whatever the text", () => {
    const pieces = fc.constantFrom(
      "version: 1",
      "functions:",
      "- id: a",
      "  - ",
      "command: sh",
      "env:",
      "{",
      "}",
      "[",
      "]",
      "&a",
      "*a",
      "<<: *a",
      "? ",
      "!!map",
      "|",
      ">",
      '"',
      "'",
      "\t",
      "\n",
      ": ",
      "null",
      "%YAML 1.1\n---\n",
      "__proto__: 1",
      "idle: ",
      "ready: {http: 1}",
      "warmup: [1]",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(pieces, { maxLength: 25 }).map((list) => list.join("\n")),
          fc.array(pieces, { maxLength: 25 }).map((list) => list.join(" ")),
          fc.string(),
        ),
        (text) => {
          expect(parseConfig(text, "/x/aether.yaml", options)).toHaveProperty("ok");
        },
      ),
    );
  });

  it("never throws, whatever the value of a field", () => {
    const field = fc.constantFrom(
      "id",
      "command",
      "cwd",
      "trigger_port",
      "ready",
      "ready_timeout",
      "env",
      "memory_limit",
      "user",
      "idle",
      "warmup",
      "stop_signal",
      "sleep",
    );
    fc.assert(
      fc.property(fc.dictionary(field, fc.jsonValue()), fc.jsonValue(), (entry, engine) => {
        expect(
          parseConfig(stringify({ version: 1, engine, functions: [entry] }), "/x/aether.yaml", options),
        ).toHaveProperty("ok");
      }),
    );
  });
});

describe("secrets", () => {
  const secret = "S3cr3tW0rd";
  const text = `version: 1\nengine: {}\nfunctions:\n  - id: hello\n    command: sh\n    env:\n      A: ${secret}\n      B: "x ${secret} y"\n      C: |\n        ${secret}\n        more ${secret}\n    warmup:\n      - { path: /, headers: { authorization: ${secret} }, body: '${secret}' }\n  - { id: other, command: sh, env: { D: ${secret}, E: [${secret}] } }\n`;

  it("are not printed, wherever the file is broken", () => {
    const damage = fc.record({
      at: fc.nat({ max: text.length }),
      drop: fc.nat({ max: 3 }),
      add: fc.constantFrom(
        "",
        '"',
        "'",
        "{",
        "[",
        "}",
        ":",
        "\t",
        "\n",
        "- ",
        "!x ",
        "*",
        "&",
        "@",
        "%",
        "|",
        "\\q",
      ),
    });
    fc.assert(
      fc.property(damage, ({ at, drop, add }) => {
        const broken = text.slice(0, at) + add + text.slice(at + drop);
        const result = parseConfig(broken, "/x/aether.yaml", options);
        if (result.ok) return;
        const output = formatProblems(result.problems, result.source) + JSON.stringify(result.problems);
        expect(output).not.toContain("3cr3tW0");
      }),
      { numRuns: 1000 },
    );
  });

  it("stay in the configuration itself", () => {
    expect(good(one(`env: { A: ${secret} }`)).functions[0]?.env).toEqual({ A: secret });
  });
});

describe("ports of other programs", () => {
  it("names the program that listens, and knows the engine's own", async () => {
    const server = createServer();
    await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    const text = `engine: { metrics: off }\n${one("").replace("8080", String(port))}`;
    const result = parseConfig(text, join(dir, "aether.yaml"), { ...options, checkPorts: true });
    const own = parseConfig(text, join(dir, "aether.yaml"), {
      ...options,
      checkPorts: true,
      ownPorts: new Set([port]),
    });
    await new Promise((done) => void server.close(done));
    expect(
      result.ok
        ? []
        : result.problems.map(({ code, message }) => [code, message.includes(`(pid ${process.pid})`)]),
    ).toEqual([["AE_CONFIG_PORT_TAKEN", true]]);
    expect(own.ok).toBe(true);
  });

  it("sees that of the metrics too, and says how a second engine gets its own", async () => {
    const server = createServer();
    await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    const text = `engine: { metrics: { listen: "127.0.0.1:${port}" } }\nversion: 1\nfunctions: []\n`;
    const check = (ownPorts: ReadonlySet<number>) =>
      parseConfig(text, join(dir, "aether.yaml"), { ...options, checkPorts: true, ownPorts });
    const taken = check(new Set());
    const own = check(new Set([port]));
    await new Promise((done) => void server.close(done));
    expect(taken.ok ? [] : taken.problems).toMatchObject([
      {
        code: "AE_CONFIG_PORT_TAKEN",
        path: "engine.metrics.listen",
        line: 1,
        message: expect.stringContaining(`(pid ${process.pid})`) as string,
        hint: expect.stringContaining("engine.metrics: off") as string,
      },
    ]);
    expect(own.ok).toBe(true);
  });
});

describe("examples", () => {
  const path = `${fromRoot("node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
  it.each(["fixtures/aether.yaml", "fixtures/special.yaml"])("%s is valid on this machine", (file) => {
    const result = loadConfig(fromRoot(file), { ...options, machine: { ...testMachine, path } });
    expect(result.ok ? "" : formatProblems(result.problems, result.source)).toBe("");
  });

  it("says serve for the engine and fail for one function", () => {
    const result = loadConfig(fromRoot("fixtures/aether.yaml"), {
      ...options,
      machine: { ...testMachine, path },
    });
    const config = result.ok ? result.config : null;
    expect(config?.engine.onViolation).toBe("serve");
    expect(config?.functions.filter(({ onViolation }) => onViolation === "fail").map(({ id }) => id)).toEqual(
      ["hello-python"],
    );
    expect(config?.functions.map(({ triggerPort }) => triggerPort)).toEqual([
      8080, 8081, 8082, 8083, 8084, 8085,
    ]);
  });
});
