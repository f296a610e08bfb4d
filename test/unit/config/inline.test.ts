import { describe, expect, it } from "vitest";
import { idOfCommand, inlineConfig } from "../../../src/engine/config/inline.ts";
import { options } from "./machine.ts";

describe("inlineConfig", () => {
  it("makes one function that is ready when it listens", () => {
    const result = inlineConfig(
      {
        command: ["sh", "run me.sh"],
        port: 8080,
        cwd: "/",
        fields: { idle: { suspend_after: "1s" } },
        engine: { name: "one" },
      },
      options,
    );
    const config = result.ok ? result.config : null;
    expect(config?.file).toBeNull();
    expect(config?.engine.name).toBe("one");
    expect(config?.functions[0]).toMatchObject({
      id: "run-me",
      command: ["sh", "run me.sh"],
      program: "/usr/bin/sh",
      cwd: "/",
      triggerPort: 8080,
      ready: { kind: "port" },
      idle: { suspendAfterMs: 1000 },
    });
  });

  it("reports problems without a place, and no env value", () => {
    const result = inlineConfig(
      { command: ["no-such-program-here"], port: 0, cwd: "/", fields: { env: { A: ["hunter2"] } } },
      options,
    );
    expect(result.ok ? [] : result.problems.map(({ code, path, line }) => [code, path, line])).toEqual([
      ["AE_CONFIG_INVALID_PORT", "trigger_port", 0],
      ["AE_CONFIG_INVALID_VALUE", "env.A", 0],
      ["AE_CONFIG_PROGRAM_NOT_FOUND", "command[0]", 0],
    ]);
    expect(JSON.stringify(result)).not.toContain("hunter2");
  });

  it.each([
    [["python3", "-m", "http.server", "8080"], "python3"],
    [["node", "--watch", "./src/my server.mjs"], "my-server"],
    [["/opt/x/redis-server"], "redis-server"],
    [["./...."], "function"],
    [["x".repeat(100)], "x".repeat(48)],
    [[], "function"],
  ])("calls %j by its script or program", (command, id) => {
    expect(idOfCommand(command)).toBe(id);
  });
});
