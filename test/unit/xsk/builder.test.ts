/** Settings are checked by name, filters decide by their lists, and nothing of it needs koffi or Linux. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { compileFilter, matchesFilter } from "../../../src/ffi/xsk/filter.ts";
import type { PacketFilter } from "../../../src/ffi/xsk/filter.ts";
import { parseAddress } from "../../../src/ffi/xsk/packet/address.ts";
import { XdpSocketError, xdpErrorKind, XskBuilder } from "../../../src/xdp.ts";
import { errorFromData, xdpErrorCodes } from "../../../src/ffi/xsk/errors.ts";
import {
  arpRequest,
  echoRequest,
  ipv6UdpFrame,
  plainFrame,
  tcpFrame,
  udpFrame,
} from "../../helpers/frames.ts";

const make = (): XskBuilder => new XskBuilder("eth0").filter("everything");

describe("settings", () => {
  it("have defaults that hold together", () => {
    expect(make().config()).toMatchObject({
      device: "eth0",
      queues: [0],
      frames: { frameCount: 4096, frameSizeBytes: 2048, headroomBytes: 0 },
      rings: { rx: 2048, tx: 2048, fill: 2048, completion: 2048 },
      mode: "auto",
      poller: "blocking",
    });
    expect(make().queues(0, 1, 2).config().frames.frameCount).toBe(3 * 4096);
  });

  it.each<[string, XskBuilder]>([
    ["the name", new XskBuilder("a/b").filter("everything")],
    ["a long name", new XskBuilder("a-very-long-name").filter("everything")],
    ["no queue", make().queues()],
    ["a queue twice", make().queues(1, 1)],
    ["a queue below 0", make().queue(-1)],
    ["the size of frames", make().frameSize(1000)],
    ["half a frame", make().frames(10.5)],
    ["no frame", make().frames(0)],
    ["the headroom", make().headroom(1800)],
    ["a ring that is no power of two", make().rings({ rx: 1000 })],
    ["a ring of nothing", make().rings({ fill: 0 })],
    ["a batch larger than the ring", make().rings({ rx: 64 }).batch(65)],
    ["a batch of nothing", make().batch(0)],
    ["NaN", make().batch(Number.NaN)],
    ["the time", make().bindTimeout(-1)],
    ["no filter", new XskBuilder("eth0")],
    ["an empty filter", new XskBuilder("eth0").filter({})],
    ["port 0", new XskBuilder("eth0").filter({ ports: [0] })],
    ["an address", new XskBuilder("eth0").filter({ addresses: ["10.0.0"] })],
    ["a protocol", new XskBuilder("eth0").filter({ protocols: [256] })],
  ])("refuse %s", (_name, builder) => {
    expect(() => builder.config()).toThrow(expect.objectContaining({ code: "AE_XSK_INVALID_CONFIG" }));
  });

  it("refuse more memory than the library can address", () => {
    expect(() =>
      make()
        .frames(2 ** 21)
        .config(),
    ).toThrow(expect.objectContaining({ code: "AE_XSK_UMEM_TOO_LARGE" }));
  });
});

describe("errors", () => {
  it("keep their kind when they cross a thread", () => {
    for (const kind of Object.keys(xdpErrorCodes) as (keyof typeof xdpErrorCodes)[]) {
      const error = new XdpSocketError(kind, "what", { why: "why" });
      const copy = errorFromData(structuredClone(error.toJSON()));
      expect(copy).toBeInstanceOf(XdpSocketError);
      expect(copy).toMatchObject({ code: error.code, problem: kind, message: "what: why" });
      expect(xdpErrorKind(copy)).toBe(kind);
    }
    expect(xdpErrorKind({ code: "AE_INTERNAL" })).toBeNull();
  });
});

describe("filters", () => {
  const six = parseAddress("fd00::2") ?? new Uint8Array();
  const packets = {
    arp: arpRequest("10.1.0.2"),
    echo: echoRequest(1, [1]),
    udp7: udpFrame(7, [1]),
    udp7Tagged: udpFrame(7, [1], { vlans: [5, 6] }),
    udp8: udpFrame(8, [1]),
    udp7Fragment: udpFrame(7, [1], { fragment: 0x2000 }),
    laterFragment: udpFrame(7, [1], { fragment: 0x0001 }),
    tcp7: tcpFrame(7, 2),
    other: plainFrame(1),
    six: ipv6UdpFrame(7, [1], six),
    cut: udpFrame(7, [1]).slice(0, 40),
  };
  const taken = (filter: PacketFilter): string[] => {
    const compiled = compileFilter(filter);
    return Object.entries(packets).flatMap(([name, bytes]) =>
      matchesFilter(compiled, new DataView(bytes.buffer), 0, bytes.length) ? [name] : [],
    );
  };

  it("take what matches every list", () => {
    expect(taken("everything")).toEqual(Object.keys(packets));
    expect(taken({ protocols: ["arp"] })).toEqual(["arp"]);
    expect(taken({ protocols: ["arp", "icmp"] })).toEqual(["arp", "echo"]);
    expect(taken({ ports: [7] })).toEqual(["udp7", "udp7Tagged", "udp7Fragment", "tcp7", "six"]);
    expect(taken({ ports: [7], protocols: ["tcp"] })).toEqual(["tcp7"]);
    expect(taken({ protocols: [17] })).toContain("laterFragment");
    expect(taken({ addresses: ["fd00::2"] })).toEqual(["six"]);
    expect(taken({ addresses: ["10.1.0.2"], protocols: ["arp", "udp"] })).toEqual([
      "arp",
      "udp7",
      "udp7Tagged",
      "udp8",
      "udp7Fragment",
      "laterFragment",
    ]);
    expect(taken({ addresses: ["10.1.0.9"] })).toEqual([]);
  });
});

describe("without koffi, and elsewhere than on Linux", () => {
  const repository = fileURLToPath(new URL("../../../", import.meta.url));

  it("the library loads, the simulator works, and sockets say why not", () => {
    const folder = mkdtempSync(join(tmpdir(), "aether-xdp-"));
    try {
      writeFileSync(
        join(folder, "block.mjs"),
        `import { registerHooks } from "node:module";
registerHooks({ resolve(name, context, next) {
  if (name === "koffi") throw new Error("koffi is blocked");
  return next(name, context);
} });`,
      );
      writeFileSync(
        join(folder, "use.mjs"),
        `const platform = process.argv[2];
if (platform !== "linux") Object.defineProperty(process, "platform", { value: platform });
const { SimulatedDevice, XskBuilder } = await import(${JSON.stringify(`${repository}src/xdp.ts`)});
const device = new SimulatedDevice();
const engine = await new XskBuilder("sim0").filter("everything").on(device).engine();
device.inject(new Uint8Array(60));
await engine.run((batch) => { for (const packet of batch) packet.send(); engine.stop(); });
await engine[Symbol.asyncDispose]();
const error = await new XskBuilder("eth0").filter("everything").raw().catch((error) => error);
console.log(JSON.stringify({ sent: engine.counters().sent, code: error.code, why: error.why }));`,
      );
      for (const platform of ["linux", "darwin", "win32"]) {
        const args = ["--import", join(folder, "block.mjs"), join(folder, "use.mjs"), platform];
        const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
        expect(stderr).toBe("");
        expect(JSON.parse(stdout)).toEqual({
          sent: 1,
          code: "AE_XSK_UNSUPPORTED",
          why: platform === "linux" ? "koffi is blocked" : `they are part of Linux; this is ${platform}`,
        });
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("the suite of all sockets passes too", { timeout: 60_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), "aether-xdp-"));
    try {
      // vitest's own workers run with it: nothing of the suite may ask for koffi.
      writeFileSync(
        join(folder, "block.cjs"),
        `const { registerHooks } = require("node:module");
registerHooks({ resolve(name, context, next) {
  if (name === "koffi") throw new Error("koffi is blocked");
  return next(name, context);
} });`,
      );
      const vitest = `${repository}node_modules/vitest/vitest.mjs`;
      const args = [vitest, "run", "--project", "unit", "test/unit/xsk/simulator.test.ts"];
      const env = { ...process.env, NODE_OPTIONS: `--require ${join(folder, "block.cjs")}` };
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        cwd: repository,
        encoding: "utf8",
        env,
      });
      expect(status, stdout + stderr).toBe(0);
      expect(stdout).toContain("passed");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
