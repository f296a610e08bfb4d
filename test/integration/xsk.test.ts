/** AF_XDP sockets of the kernel, between the ends of a veth pair in a network namespace of the test. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { xdpSocket, ringOffsets } from "../../src/ffi/xsk/kernel-calls.ts";
import { simulatedOffsets } from "../../src/ffi/xsk/simulator/simulated-device.ts";
import { DescriptorBatch, XskBuilder } from "../../src/xdp.ts";
import "../helpers/expose-gc.ts";
import { plainFrame, tcpFrame, udpFrame } from "../helpers/frames.ts";
import { PacketPeer } from "../helpers/packet-peer.ts";
import { describeBehaviour } from "../helpers/xsk-behaviour.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const missing =
  process.getuid?.() !== 0
    ? "no root"
    : existsSync(`${repository}build/bpf/xsk.bpf.o`)
      ? null
      : "build/bpf is not built: npm run setup";

const openFiles = (): number => readdirSync("/proc/self/fd").length;
const xdpPrograms = (): number =>
  (JSON.parse(spawnSync("bpftool", ["-j", "prog", "show"], { encoding: "utf8" }).stdout) as { name?: string }[]).filter(
    (program) => program.name === "redirect_to_xsk",
  ).length;

describe.skipIf(missing !== null)(`AF_XDP sockets${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  let files = 0;
  let programs = 0;
  beforeAll(() => {
    files = openFiles();
    programs = xdpPrograms();
  });
  afterAll(async () => {
    // Of the worker threads that ended, too.
    await expect.poll(openFiles, { timeout: 10_000 }).toBeLessThanOrEqual(files + 2);
    await expect.poll(xdpPrograms, { timeout: 10_000 }).toBe(programs);
    expect(spawnSync("ip", ["netns"], { encoding: "utf8" }).stdout).not.toContain(`aether-xsk-${process.pid}-`);
  });

  describe("of the kernel", () => {
    describeBehaviour(async () => {
      const peer = await PacketPeer.open({ queues: 2 });
      return {
        builder: () => new XskBuilder("xa").networkNamespace(peer.path),
        send: async (frames) => await peer.send(frames),
        received: async (count) => await peer.received(count),
        async remove() {
          peer.ip("link", "del", "xa");
          await Promise.resolve();
        },
        async [Symbol.asyncDispose]() {
          await peer[Symbol.asyncDispose]();
        },
      };
    });
  });

  it("has its rings where the simulator has them", () => {
    using socket = xdpSocket();
    const offsets = ringOffsets(socket);
    for (const ring of Object.values(offsets)) expect(ring).toEqual(simulatedOffsets);
  });
});

void readFileSync;
void DescriptorBatch;
void plainFrame;
void tcpFrame;
void udpFrame;
