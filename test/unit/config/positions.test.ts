import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { formatPath } from "../../../src/engine/config/finding.ts";
import { parseYaml } from "../../../src/engine/config/parse-yaml.ts";
import { Positions, shorten } from "../../../src/engine/config/positions.ts";

const at = (text: string, path: (string | number)[], atKey = false): unknown => {
  const place = new Positions(text, parseYaml(text)).of(path, atKey);
  return [place.line, place.column, place.text];
};

describe("positions", () => {
  const text = "a: 1\nlist:\n  - x: one\n    y:\n  - &m { z: [p, q] }\nshared: *m\n";

  it("finds values and keys", () => {
    expect(at(text, ["a"])).toEqual([1, 4, "1"]);
    expect(at(text, ["a"], true)).toEqual([1, 1, "a"]);
    expect(at(text, ["list", 0, "x"])).toEqual([3, 8, "one"]);
    expect(at(text, ["list", 1, "z", 1])).toEqual([5, 17, "q"]);
  });

  it("shows the key of an empty value, what should hold a missing one, and what an alias stands for", () => {
    expect(at(text, ["list", 0, "y"])).toEqual([4, 5, "y"]);
    expect(at(text, ["list", 0, "none"])).toEqual([3, 5, "x: one ..."]);
    expect(at(text, ["none", "deeper"])).toEqual([1, 1, "a: 1 ..."]);
    expect(at(text, ["shared", "z", 0])).toEqual([5, 14, "p"]);
  });

  it("finds every scalar of any document", () => {
    const leaf = fc.integer({ min: 0, max: 999_999 });
    const key = fc.constantFrom("a", "b", "c_d", "long key");
    const tree = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie("node"), { minLength: 1, maxLength: 3 }),
        fc.dictionary(key, tie("node"), { minKeys: 1, maxKeys: 3 }),
      ),
    })).node;
    const leaves = (value: unknown, path: (string | number)[]): [(string | number)[], unknown][] => {
      if (Array.isArray(value)) return value.flatMap((item, index) => leaves(item, [...path, index]));
      if (typeof value === "object" && value !== null)
        return Object.entries(value).flatMap(([name, item]) => leaves(item, [...path, name]));
      return [[path, value]];
    };
    fc.assert(
      fc.property(tree, fc.boolean(), (value, flow) => {
        const source = stringify(value, flow ? { collectionStyle: "flow" } : {});
        const positions = new Positions(source, parseYaml(source));
        const rows = source.split("\n");
        for (const [path, scalar] of leaves(value, [])) {
          const place = positions.of(path);
          expect(place.text).toBe(String(scalar));
          expect(rows[place.line - 1]?.slice(place.column - 1).startsWith(String(scalar))).toBe(true);
        }
      }),
    );
  });

  it("shortens what is long", () => {
    expect(shorten("x".repeat(100))).toHaveLength(60);
    expect(shorten("a\nb")).toBe("a ...");
  });

  it("writes paths as people read them", () => {
    expect(formatPath(["functions", 2, "idle", "suspend_after"])).toBe("functions[2].idle.suspend_after");
    expect(formatPath([])).toBe("");
  });
});
