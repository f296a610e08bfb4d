import fc from "fast-check";
import type { Key } from "ink";
import { describe, expect, test } from "vitest";
import { editText, emptyInput, inputOf } from "../../../src/ui/components/text-input.ts";
import { bindingTable, scopes } from "../../../src/ui/keys/bindings.ts";
import { keyPresses } from "../../../src/ui/keys/key-names.ts";
import { defaultKeymap, hintsFor } from "../../../src/ui/keys/keymap.ts";

const { resolve } = defaultKeymap;
const noKey: Key = {
  upArrow: false,
  downArrow: false,
  leftArrow: false,
  rightArrow: false,
  pageDown: false,
  pageUp: false,
  home: false,
  end: false,
  return: false,
  escape: false,
  ctrl: false,
  shift: false,
  tab: false,
  backspace: false,
  delete: false,
  meta: false,
  super: false,
  hyper: false,
  capsLock: false,
  numLock: false,
};
const names = (input: string, key: Partial<Key> = {}): string[] =>
  keyPresses(input, { ...noKey, ...key }).map((press) => press.name);

describe("the key table", () => {
  test("no key means two things in one place", () => {
    for (const scope of scopes) {
      const keys = bindingTable
        .filter((binding) => binding.scopes.includes(scope))
        .flatMap((binding) => binding.keys);
      expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
    }
  });

  test("every command has one row, a label and a sentence", () => {
    const commands = bindingTable.map((binding) => binding.command);
    expect(new Set(commands).size).toBe(commands.length);
    for (const { label, help } of bindingTable) {
      expect(label).toMatch(/^[a-z][\w ]+$/i);
      expect(help).toMatch(/^[A-Z].*\.$/);
    }
  });

  test("uses only keys that every terminal delivers", () => {
    const name = /^(?:[!-~]|up|down|left|right|pgup|pgdn|home|end|enter|esc|tab|S-tab|space|C-[a-z])$/;
    // C-h, C-i, C-j and C-m are Backspace, Tab and Enter.
    for (const { keys } of bindingTable)
      for (const key of keys) {
        expect(key).toMatch(name);
        expect(["C-h", "C-i", "C-j", "C-m"]).not.toContain(key);
      }
  });

  test("Esc never quits, and C-c is answered everywhere", () => {
    for (const scope of scopes) {
      expect(resolve(scope, "esc")).not.toBe("quit");
      expect(resolve(scope, "C-c")).toBe("interrupt");
      expect(resolve(scope, "C-z")).toBe("suspend-console");
    }
  });

  test("arrows and vi keys do the same; the focused scope goes before the global one", () => {
    expect(resolve("functions", "j")).toBe(resolve("functions", "down"));
    expect(resolve("logs", "k")).toBe(resolve("logs", "up"));
    expect(resolve("logs", "/")).toBe("search");
    expect(resolve("functions", "/")).toBe("filter");
    expect(resolve("input", "q")).toBeNull();
    expect(resolve("all-logs", "X")).toBeNull();
  });

  test("hints of a scope are its own keys, most useful first", () => {
    expect(hintsFor(defaultKeymap, "functions")[0]?.command).toBe("detail");
    expect(hintsFor(defaultKeymap, "logs")[0]?.command).toBe("follow");
    expect(defaultKeymap.bindingOf("kill").mutates).toBe(true);
  });
});

describe("chunks of input", () => {
  test.each([
    ["jjj", {}, ["j", "j", "j"]],
    ["j\r", {}, ["j", "enter"]],
    ["a\tb", {}, ["a", "tab", "b"]],
    ["é日👩‍👩‍👧", {}, ["é", "日", "👩‍👩‍👧"]],
    ["", { upArrow: true }, ["up"]],
    ["", { tab: true, shift: true }, ["S-tab"]],
    ["c", { ctrl: true }, ["C-c"]],
    ["x", { meta: true }, ["esc", "x"]],
    ["\u0004\u0015", {}, ["C-d", "C-u"]],
    ["", {}, []],
    [" ", {}, ["space"]],
  ] as const)("%j with %j are %j", (input, key, expected) => {
    expect(names(input, key)).toEqual(expected);
  });

  test("any input is keys, and printable text comes back whole", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (input) => void names(input)));
    fc.assert(
      fc.property(fc.string(), (input) => {
        const text = keyPresses(input, noKey)
          .map((press) => press.text ?? "")
          .join("");
        expect(text).toBe(input);
      }),
    );
  });
});

describe("typing", () => {
  const press = (name: string, text: string | null = null) => ({ name, text });

  test("edits at the cursor", () => {
    let input = inputOf("hello wrld");
    for (const name of ["left", "left", "left"]) input = editText(input, press(name));
    input = editText(input, press("o", "o"));
    expect(input).toEqual({ text: "hello world", cursor: 8 });
    expect(editText(input, press("C-w")).text).toBe("hello rld");
    expect(editText(input, press("C-u")).text).toBe("rld");
    expect(editText(input, press("delete")).text).toBe("hello wold");
    expect(editText(emptyInput, press("backspace"))).toEqual(emptyInput);
  });

  test("whatever is typed, the cursor stays in the text", () => {
    const anyPress = fc.oneof(
      fc
        .constantFrom(
          "backspace",
          "delete",
          "left",
          "right",
          "home",
          "end",
          "C-w",
          "C-u",
          "C-k",
          "C-a",
          "pgup",
        )
        .map((name) => press(name)),
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }).map((text) => press(text, text)),
    );
    fc.assert(
      fc.property(fc.array(anyPress), (presses) => {
        let input = emptyInput;
        for (const each of presses) {
          input = editText(input, each);
          expect(input.cursor).toBeGreaterThanOrEqual(0);
          expect(input.cursor).toBeLessThanOrEqual(input.text.length);
        }
        expect(input.text.length).toBeLessThanOrEqual(200);
      }),
    );
  });
});
