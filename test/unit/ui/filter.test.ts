import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fuzzyPlaces, markedPlaces, matchesFilter, parseFilter } from "../../../src/ui/store/filter.ts";

const find = (text: string, name: string, rest = ""): boolean =>
  matchesFilter(parseFilter(text), { name, rest });

describe("the filter", () => {
  test("finds letters in their order, a piece in one run first", () => {
    expect(fuzzyPlaces("hello-python", "hpy")).toEqual([0, 6, 7]);
    expect(fuzzyPlaces("hello-python", "pyt")).toEqual([6, 7, 8]);
    expect(fuzzyPlaces("hello", "ol")).toBeNull();
  });

  test("wants every word; small letters find both cases, capitals themselves", () => {
    expect(find("hel run", "hello", "Running 8080")).toBe(true);
    expect(find("hel susp", "hello", "Running 8080")).toBe(false);
    expect(find("8080", "hello", "Running 8080")).toBe(true);
    expect(find("API", "my-api")).toBe(false);
    expect(find("api", "My-API")).toBe(true);
  });

  test("takes regular expressions, and the opposite of both", () => {
    expect(find("/^hello-(python|node)$", "hello-node")).toBe(false);
    expect(find("/^hello-(python|node) ", "hello-node")).toBe(true);
    expect(find("!hello", "counter")).toBe(true);
    expect(find("!/^count", "counter")).toBe(false);
    expect(parseFilter("/(").kind).toBe("broken");
    expect(parseFilter(`/${"a".repeat(300)}`).kind).toBe("broken");
    expect(["", " ", "!", "/", "!/"].map((text) => parseFilter(text).kind)).toEqual(Array(5).fill("none"));
  });

  test("marks what it found, and nothing for the opposite", () => {
    expect([...markedPlaces(parseFilter("hpy"), "hello-python")]).toEqual([0, 6, 7]);
    expect([...markedPlaces(parseFilter("/l+"), "hello")]).toEqual([2, 3]);
    expect(markedPlaces(parseFilter("!h"), "hello").size).toBe(0);
  });

  test("never throws, and the opposite of a sound filter is its opposite", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, name) => {
        const filter = parseFilter(text);
        const found = matchesFilter(filter, { name, rest: "" });
        if (text.trim().startsWith("!") || filter.kind === "broken" || filter.kind === "none") return;
        expect(find(`!${text}`, name)).toBe(!found);
      }),
    );
  });
});
