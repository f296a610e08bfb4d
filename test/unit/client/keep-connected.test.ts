/** A connection that outlives its engine. */
import { expect, test } from "vitest";
import { keepConnected } from "../../../src/client/keep-connected.ts";
import type { LinkState } from "../../../src/client/link.ts";
import { AetherError } from "../../../src/protocol/errors.ts";
import { createFakeEngine } from "../../helpers/fake-engine.ts";
import type { FakeEngine } from "../../helpers/fake-engine.ts";

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error("it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("the first connection must come about", async () => {
  const failure = new AetherError("AE_ENGINE_NOT_RUNNING", "no engine");
  await expect(keepConnected(() => Promise.reject(failure))).rejects.toBe(failure);
});

test("a lost engine is told, looked for until it is back, and heard again; orders go to the one that lives", async () => {
  const engines: FakeEngine[] = [];
  let available = true;
  let tries = 0;
  await using connection = await keepConnected(async () => {
    tries += 1;
    if (!available) throw new AetherError("AE_ENGINE_NOT_RUNNING", "no engine");
    const engine = createFakeEngine({ mode: "attached" });
    engines.push(engine);
    return await Promise.resolve(engine);
  });
  const links: LinkState["type"][] = [];
  const types: string[] = [];
  connection.watchLink((link) => links.push(link.type));
  connection.subscribe((message) => types.push(message.type));
  expect(types).toEqual(["hello", "state"]);
  await connection.action("api", "wake");
  engines[0]?.link({ type: "silent" });
  available = false;
  engines[0]?.die(new AetherError("AE_ENGINE_LOST", "gone"));
  await until(() => links.includes("lost"));
  await expect(connection.reload()).rejects.toMatchObject({ code: "AE_ENGINE_NOT_RUNNING" });
  await until(() => tries > 2);
  available = true;
  types.length = 0;
  await until(() => links.at(-1) === "live");
  expect(types).toEqual(["hello", "state"]);
  engines[1]?.publish();
  expect(types).toHaveLength(3);
  await connection.action("api", "kill");
  expect(engines.map(({ calls }) => [...calls])).toEqual([["wake api"], ["kill api"]]);
  expect(links).toEqual(["silent", "lost", "live"]);
});

test("disposed while it looks, it ends", async () => {
  const engine = createFakeEngine({ mode: "attached" });
  let first = true;
  const connection = await keepConnected(() => {
    if (!first) return Promise.reject(new Error("not yet"));
    first = false;
    return Promise.resolve(engine);
  });
  engine.die(null);
  await connection[Symbol.asyncDispose]();
  expect(await connection.closed).toBeNull();
});
