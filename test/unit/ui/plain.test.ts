import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StreamMessage } from "../../../src/protocol/control.ts";
import { createJsonWriter, jsonLine } from "../../../src/ui/plain/json-writer.ts";
import { createPlainWriter } from "../../../src/ui/plain/plain-writer.ts";
import { fakeEngineView, fakeFunction } from "../../helpers/fake-engine-views.ts";

const at = Date.UTC(2026, 10, 20, 14, 3, 22, 123);

function plain(messages: readonly StreamMessage[], logs = true): string {
  let text = "";
  const write = createPlainWriter({ logs, write: (part) => (text += part) });
  for (const message of messages) write(message);
  return text;
}

const log = (text: string): StreamMessage => ({
  type: "logs",
  lines: [{ seq: 1, atMs: at, functionId: "api", stream: "stderr", text }],
});
const error = {
  code: "AE_EARLY_EXIT",
  family: "SandboxError",
  kind: "user",
  what: "api ended",
  why: "code 1",
  hint: "Read its log.",
  data: {},
  stack: null,
} as const;

describe("plain lines", () => {
  test("one line an event, with its time, level, code and remedy", () => {
    expect(
      plain([{ type: "event", event: { seq: 1, atMs: at, type: "error", functionId: "api", error } }]),
    ).toBe("2026-11-20T14:03:22.123Z error api: AE_EARLY_EXIT api ended: code 1; Read its log.\n");
    expect(plain([log("GET /")])).toBe("2026-11-20T14:03:22.123Z log   api stderr: GET /\n");
    expect(plain([log("GET /")], false)).toBe("");
  });

  test("a refused file has a line for each problem, with its place", () => {
    const problem = {
      code: "AE_CONFIG_INVALID_PORT",
      file: "a.yaml",
      line: 3,
      column: 7,
      path: "p",
      text: "0",
      message: "not a port",
      hint: null,
    } as const;
    const lines = plain([
      { type: "event", event: { seq: 1, atMs: at, type: "reload-refused", problems: [problem, problem] } },
    ])
      .trimEnd()
      .split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[1]).toBe("2026-11-20T14:03:22.123Z error a.yaml:3:7: AE_CONFIG_INVALID_PORT not a port");
  });

  test("of states only the phases are written", () => {
    const state: StreamMessage = { type: "state", state: fakeEngineView([fakeFunction("api")]) };
    const lines = plain([state, state, state]).trimEnd().split("\n");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /info {2}engine demo, process 31337, 1 function, \/srv\/shop\/aether.yaml: running$/,
    );
  });

  test("no escape code, whatever functions write", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const line = plain([log(`\u001b[2J${text}\u009b1m`)]);
        expect(line.indexOf("\n")).toBe(line.length - 1);
        expect(
          Array.from(line.slice(0, -1)).every(
            (char) => char >= " " && !(char >= "\u007f" && char < "\u00a0"),
          ),
        ).toBe(true);
      }),
    );
  });
});

describe("JSON lines", () => {
  test("give text back unchanged and hold no control character", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const line = jsonLine({ text });
        expect((JSON.parse(line) as { text: string }).text).toBe(text);
        expect(
          Array.from(line.slice(0, -1)).every(
            (char) => char >= " " && !(char >= "\u007f" && char < "\u00a0"),
          ),
        ).toBe(true);
      }),
    );
  });

  test("one object for hello, each phase, each event and each log line", () => {
    const objects: unknown[] = [];
    const write = createJsonWriter({
      logs: true,
      write: (text) =>
        objects.push(
          ...text
            .trimEnd()
            .split("\n")
            .map((line) => JSON.parse(line) as unknown),
        ),
    });
    const state: StreamMessage = { type: "state", state: fakeEngineView([fakeFunction("api")]) };
    const messages: readonly StreamMessage[] = [
      { type: "hello", version: 1, engine: "demo" },
      state,
      state,
      log("x"),
      { type: "event", event: { seq: 1, atMs: at, type: "error", functionId: null, error } },
    ];
    for (const message of messages) write(message);
    expect(objects).toMatchObject([
      { type: "hello" },
      { type: "phase", phase: "running", functions: 1 },
      { type: "log", line: { text: "x" } },
      { type: "event", event: { type: "error" } },
    ]);
  });
});
