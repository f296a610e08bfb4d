import { describe, expect, it } from "vitest";
import { findUser, readUserDatabase } from "../../../src/engine/config/users.ts";
import { testMachine } from "./machine.ts";

const find = (text: string): unknown => {
  const result = findUser(text, testMachine.users);
  return result.ok ? result.user : result.reason;
};

describe("findUser", () => {
  it("finds by name and by uid, with the groups the user is a member of", () => {
    const worker = { name: "worker", uid: 1234, gid: 1235, groups: [1235, 77] };
    expect(find("worker")).toEqual(worker);
    expect(find("1234")).toEqual(worker);
  });

  it("takes another group by name or number", () => {
    expect(find("worker:nogroup")).toEqual({ name: "worker", uid: 1234, gid: 65_534, groups: [65_534, 77] });
    expect(find("worker:4000")).toEqual({ name: "worker", uid: 1234, gid: 4000, groups: [4000, 77] });
  });

  it("takes an unknown uid only with a group", () => {
    expect(find("4321:1235")).toEqual({ name: "4321", uid: 4321, gid: 1235, groups: [1235] });
    expect(find("4321")).toMatch(/has no entry/);
  });

  it.each([
    "",
    ":",
    "worker:",
    ":worker",
    "a:b:c",
    "wroker",
    "worker:none",
    "-1",
    "4294967295",
    "99999999999",
    "1e3",
  ])("refuses %j", (text) => {
    expect(typeof find(text)).toBe("string");
  });

  it("reads this machine's root", () => {
    const result = findUser("root", readUserDatabase());
    expect(result.ok && result.user.uid).toBe(0);
  });
});
