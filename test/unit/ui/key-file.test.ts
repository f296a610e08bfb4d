/** The user's own keys: partial, strict, with places; help, hints and palette follow. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadKeymap, parseKeys } from "../../../src/commands/key-file.ts";
import { hasKeyFile, keyFilePath } from "../../../src/commands/key-file-path.ts";
import { AetherError } from "../../../src/protocol/errors.ts";
import { bindingTable } from "../../../src/ui/keys/bindings.ts";
import { checkOverrides, keysJsonSchema } from "../../../src/ui/keys/check-overrides.ts";
import { defaultKeymap, hintsFor, makeKeymap } from "../../../src/ui/keys/keymap.ts";
import { keysReference } from "../../../src/ui/keys/reference.ts";

function problems(text: string): { readonly code: string; readonly lines: readonly string[] } {
  try {
    parseKeys(text, "keys.yaml");
  } catch (error) {
    if (!(error instanceof AetherError)) throw error;
    return { code: error.code, lines: error.data["problems"] as readonly string[] };
  }
  return { code: "", lines: [] };
}

describe("a key file", () => {
  test("changes what it names, and nothing else", () => {
    const keymap = parseKeys("kill: K\nsnapshot: [s, C-s]\ntheme: []\nview-events: 0\n", "keys.yaml");
    expect(keymap.resolve("functions", "K")).toBe("kill");
    expect(keymap.resolve("functions", "X")).toBeNull();
    expect(keymap.resolve("logs", "C-s")).toBe("snapshot");
    expect(keymap.resolve("functions", "T")).toBeNull();
    expect(keymap.resolve("functions", "0")).toBe("view-events");
    expect(keymap.resolve("functions", "W")).toBe("wake");
    expect(keymap.keyOf("kill")).toBe("K");
    expect(keymap.keyOf("theme")).toBe(":theme");
    expect(hintsFor(keymap, "functions").find(({ command }) => command === "kill")?.keys).toEqual(["K"]);
  });

  test("two commands may change places", () => {
    const keymap = parseKeys("kill: R\nrestart: X\n", "keys.yaml");
    expect(keymap.resolve("functions", "R")).toBe("kill");
    expect(keymap.resolve("functions", "X")).toBe("restart");
  });

  test.each([
    ["kil: K\n", "AE_KEYS_INVALID", "keys.yaml:1:1: there is no command kil. Did you mean kill?"],
    ["# a\nkill: f5\n", "AE_KEYS_INVALID", "keys.yaml:2:7: f5 is a function key."],
    ["kill: [K, C-m]\n", "AE_KEYS_INVALID", "keys.yaml:1:11: terminals send the same for C-m and enter."],
    ["kill: alt-k\n", "AE_KEYS_INVALID", 'keys.yaml:1:7: "alt-k" is no key.'],
    ["kill: {a: 1}\n", "AE_KEYS_INVALID", "keys.yaml:1:7: a key is a text, or a list of texts."],
    ["- kill\n", "AE_KEYS_INVALID", "keys.yaml:1:1: this is no list of commands."],
    ["kill: [K\n", "AE_KEYS_INVALID", "keys.yaml:"],
    ["kill: K\nkill: J\n", "AE_KEYS_INVALID", "keys.yaml:2:1: the same key stands twice"],
    ["interrupt: []\n", "AE_KEYS_INVALID", "keys.yaml:1:12: interrupt needs a key."],
    ["dialog-no: []\n", "AE_KEYS_INVALID", "keys.yaml:1:12: dialog-no needs a key."],
    ["cancel: x\n", "AE_KEYS_INVALID", "keys.yaml:1:9: x could not be typed any more."],
    ["kill: s\n", "AE_KEYS_CONFLICT", "keys.yaml:1:7: s is also the key of snapshot."],
    // In the focused place a global key would be lost.
    ["theme: s\n", "AE_KEYS_CONFLICT", "keys.yaml:1:8: s is also the key of snapshot."],
    ["mark: j\n", "AE_KEYS_CONFLICT", "keys.yaml:1:7: j is also the key of down."],
  ])("%j is %s: %s", (text, code, first) => {
    const found = problems(text);
    expect(found.code).toBe(code);
    expect(found.lines[0]).toContain(first);
  });

  test("all problems are told, in the order of the file", () => {
    expect(problems("nope: a\nkill: f1\nwake: s\n").lines.map((each) => each.split(":")[1])).toEqual([
      "1",
      "2",
      "3",
    ]);
  });

  test("hostile text in it does not reach the terminal as it is", () => {
    for (const each of problems('kill: "\\u001b[31m"\n').lines) expect(each).not.toContain("\u001b");
  });

  test("is looked for where users keep such files; it need not be there, save where it is named", () => {
    const folder = mkdtempSync(join(tmpdir(), "aether-"));
    try {
      expect(keyFilePath({ XDG_CONFIG_HOME: folder })).toBe(join(folder, "aether", "keys.yaml"));
      expect(keyFilePath({ AETHER_KEYS: "/k.yaml", XDG_CONFIG_HOME: folder })).toBe("/k.yaml");
      expect(loadKeymap({ XDG_CONFIG_HOME: folder })).toBe(defaultKeymap);
      expect(hasKeyFile({ XDG_CONFIG_HOME: folder })).toBe(false);
      expect(hasKeyFile({ AETHER_KEYS: join(folder, "none.yaml") })).toBe(true);
      expect(() => loadKeymap({ AETHER_KEYS: join(folder, "none.yaml") })).toThrow(/cannot be read/);
      mkdirSync(join(folder, "aether"));
      writeFileSync(join(folder, "aether", "keys.yaml"), "kill: K\n");
      expect(loadKeymap({ XDG_CONFIG_HOME: folder }).keyOf("kill")).toBe("K");
      writeFileSync(join(folder, "aether", "keys.yaml"), "# nothing yet\n");
      expect(loadKeymap({ XDG_CONFIG_HOME: folder })).toBe(defaultKeymap);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("any file is taken or refused, and what is taken has no key twice in one place", () => {
    const commands = bindingTable.map(({ command }) => command);
    const keys = fc.constantFrom("a", "s", "X", "C-s", "tab", "esc", "f1", "C-m", "q", "zz", "1", "space");
    const overrides = fc.dictionary(fc.constantFrom(...commands), fc.array(keys, { maxLength: 3 }), {
      maxKeys: 4,
    });
    fc.assert(
      fc.property(overrides, (chosen) => {
        const map = new Map(Object.entries(chosen) as [(typeof commands)[number], string[]][]);
        if (checkOverrides(map).length > 0) return;
        const keymap = makeKeymap(map);
        expect(keymap.resolve("dialog", "C-c") ?? chosen["interrupt"]).toBeTruthy();
        for (const [command, own] of map) {
          for (const key of own) {
            for (const scope of keymap.bindingOf(command).scopes)
              expect(keymap.resolve(scope, key)).toBe(command);
          }
        }
      }),
      { numRuns: 25 },
    );
    fc.assert(
      fc.property(fc.string(), (text) => void problems(text)),
      { numRuns: 50 },
    );
  });

  test("the example in the documentation is valid, and page and schema are those on disk", () => {
    const [, example = ""] = /```yaml\n([\s\S]*?)```/.exec(keysReference()) ?? [];
    expect(problems(example)).toEqual({ code: "", lines: [] });
    const onDisk = (path: string): string =>
      readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
    expect(onDisk("docs/keys.md")).toBe(keysReference());
    expect(JSON.parse(onDisk("schema/keys.schema.json"))).toEqual(keysJsonSchema());
  });
});
