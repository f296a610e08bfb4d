import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { repository } from "../../helpers/engine.ts";

/** In a process of its own, whose generation changes in the middle. */
const program = `
import { randomInt, randomUUID } from "node:crypto";
const channel = await import("${repository}sdk/node/src/channel.js");
await import("${repository}sdk/node/src/index.js");
const here = channel.channel();
const draw = () => [randomInt(10), randomInt(5, 7), randomInt(-3, 4), randomInt(2 ** 47)];
draw();
here.words[2] = 99;
const all = Array.from({ length: 3000 }, draw);
const within = all.every(([a, b, c, d]) => a >= 0 && a < 10 && (b === 5 || b === 6) && c >= -3 && c < 4 && d >= 0 && d < 2 ** 47);
const seen = [0, 1, 2].map((column) => new Set(all.map((row) => row[column])).size);
const error = (...args) => { try { randomInt(...args); return null; } catch (error) { return error.code; } };
const later = await new Promise((resolve) => randomInt(3, 4, (error, value) => resolve([error ?? null, value])));
console.log(JSON.stringify({ within, seen, later, errors: [error(1.5), error(3, 3), error("a"), error(0, 2 ** 49), error(1, "x")] }));
`;

test("randomInt after a wake draws what it promises, and refuses what Node refuses", async () => {
  const { RingMemory, ringParts } = await import("../../../src/engine/ipc/ring-memory.ts");
  const { ControlPage } = await import("../../../src/engine/ipc/control-page.ts");
  using memory = RingMemory.create("aether-test-random-int");
  new ControlPage(memory.control.memory).introduce({
    instance: "i-1",
    generation: 1n,
    entropy: new Uint8Array(32),
    restored: false,
    wallClockMs: 0,
  });
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
    env: { ...process.env, AETHER_RING: ringParts.map((part, index) => `${part}=${index + 3}`).join(",") },
    stdio: ["ignore", "pipe", "inherit", ...memory.descriptors.map(({ fd }) => fd.number)],
    encoding: "utf8",
  });
  expect(JSON.parse(output)).toEqual({
    within: true,
    seen: [10, 2, 7],
    later: [null, 3],
    errors: [
      "ERR_INVALID_ARG_TYPE",
      "ERR_OUT_OF_RANGE",
      "ERR_INVALID_ARG_TYPE",
      "ERR_OUT_OF_RANGE",
      "ERR_INVALID_ARG_TYPE",
    ],
  });
});
