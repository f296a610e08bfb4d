/** AF_XDP sockets of the kernel, between the ends of a veth pair in a network namespace of the test. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { compileFilter, matchesFilter } from "../../src/ffi/xsk/filter.ts";
import { xdpSocket, ringOffsets } from "../../src/ffi/xsk/kernel-calls.ts";
import { simulatedOffsets } from "../../src/ffi/xsk/simulator/simulated-device.ts";
import { parseAddress } from "../../src/ffi/xsk/packet/address.ts";
import { DescriptorBatch, XskBuilder } from "../../src/xdp.ts";
import type { EngineCounters, PacketFilter } from "../../src/xdp.ts";
import "../helpers/expose-gc.ts";
import { arpRequest, echoRequest, ipv6UdpFrame, plainFrame, tcpFrame, udpFrame } from "../helpers/frames.ts";
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
  (
    JSON.parse(spawnSync("bpftool", ["-j", "prog", "show"], { encoding: "utf8" }).stdout) as {
      name?: string;
    }[]
  ).filter((program) => program.name === "redirect_to_xsk").length;

describe.skipIf(missing !== null)(`AF_XDP sockets${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  let files = 0;
  let programs = 0;
  beforeAll(() => {
    files = openFiles();
    programs = xdpPrograms();
  });
  afterAll(async () => {
    // Sockets and programs of threads that ended go a moment later.
    await vi.waitFor(() => expect(openFiles()).toBeLessThanOrEqual(files + 2), 10_000);
    await vi.waitFor(() => expect(xdpPrograms()).toBe(programs), 10_000);
    expect(spawnSync("ip", ["netns"], { encoding: "utf8" }).stdout).not.toContain(
      `aether-xsk-${process.pid}-`,
    );
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

  it("the kernel's filter and the simulator's take the same packets", async () => {
    await using peer = await PacketPeer.open();
    await using engine = await new XskBuilder("xa")
      .networkNamespace(peer.path)
      .filter({ ports: [7] })
      .engine();
    const kinds = [
      arpRequest("10.1.0.2"),
      echoRequest(1, [1]),
      udpFrame(7, [1]),
      udpFrame(7, [1], { vlans: [5] }),
      udpFrame(7, [1], { vlans: [5, 6], options: 3 }),
      udpFrame(8, [1]),
      udpFrame(7, [1], { fragment: 0x2000 }),
      udpFrame(7, [1], { fragment: 1 }),
      tcpFrame(7, 2, [], { options: 10 }),
      tcpFrame(65_535, 2),
      ipv6UdpFrame(7, [1], parseAddress("fd00::2") ?? new Uint8Array()),
      plainFrame(1),
    ];
    // Also cut off and changed: headers that do not fit, lengths that lie.
    const broken = kinds.flatMap((frame, at) =>
      [20, 33, 34, 40, 41, 42, 50].flatMap((length) => [
        frame.slice(0, Math.max(14, Math.min(length, frame.length))),
        frame.with(14 + (at % 4), length & 0xff),
      ]),
    );
    const frames = [...kinds, ...broken].map((frame, number) => mark(frame, number));
    const filters: PacketFilter[] = [
      { ports: [7] },
      { ports: [7, 65_535], protocols: ["tcp"] },
      { protocols: ["arp", "icmp", "icmp6"] },
      { protocols: ["udp"], addresses: ["fd00::2", "10.1.0.2"] },
      { addresses: ["10.1.0.2"] },
      "everything",
    ];
    let taken: string[] = [];
    const running = engine.run((batch) => {
      for (const packet of batch) taken.push(Buffer.from(packet.data).toString("hex"));
    });
    for (const filter of filters) {
      engine.setFilter(filter);
      taken = [];
      const compiled = compileFilter(filter);
      const expected = frames.filter((frame) =>
        matchesFilter(compiled, new DataView(frame.buffer), 0, frame.length),
      );
      await peer.send(frames);
      const hex = expected.map((frame) => Buffer.from(frame).toString("hex"));
      await expect.poll(() => taken.length, { timeout: 5000 }).toBeGreaterThanOrEqual(hex.length);
      expect(taken, JSON.stringify(filter)).toEqual(hex);
    }
    engine.stop();
    await running;
  });

  describe("the examples", () => {
    const example = async (peer: PacketPeer, name: string, ...args: readonly string[]) => {
      const child = peer.spawn(
        "near",
        process.execPath,
        `${repository}fixtures/xdp/${name}.mjs`,
        "xa",
        ...args,
      );
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
      await lines.next();
      return {
        async end(): Promise<EngineCounters> {
          // To the program itself: `ip netns exec` has become it.
          child.kill("SIGTERM");
          const { value } = (await lines.next()) as { value: string };
          return JSON.parse(value) as EngineCounters;
        },
      };
    };

    it("are under 40 lines", () => {
      for (const name of ["icmp-echo", "udp-echo"]) {
        const text = readFileSync(`${repository}fixtures/xdp/${name}.mjs`, "utf8");
        expect(text.trimEnd().split("\n").length).toBeLessThan(40);
        // The documentation shows them as they are.
        expect(readFileSync(`${repository}docs/af-xdp.md`, "utf8")).toContain(text.trimEnd());
      }
    });

    it("answer ARP and ping for an address without a stack, and lose none", async () => {
      await using peer = await PacketPeer.open();
      peer.addAddresses({ near: false });
      const echo = await example(peer, "icmp-echo", "10.1.0.2");
      const { status, stdout } = peer.exec("far", "python3", "-c", pingProgram, "10.1.0.2", "300");
      expect({ status, stdout }).toEqual({ status: 0, stdout: "300 of 300\n" });
      const counters = await echo.end();
      expect(counters.sent).toBeGreaterThanOrEqual(301);
      expect(counters.unsent).toBe(0);
    });

    it("echo UDP without loss, while TCP and other ports pass by", async () => {
      await using peer = await PacketPeer.open();
      peer.addAddresses({ near: true });
      const echo = await example(peer, "udp-echo", "7007");
      const server = peer.spawn("near", "python3", "-c", tcpServerProgram);
      await createInterface(server.stdout)[Symbol.asyncIterator]().next();
      const { status, stdout } = peer.exec(
        "far",
        "python3",
        "-c",
        udpClientProgram,
        "10.1.0.2",
        "7007",
        "5000",
      );
      expect({ status, stdout }).toEqual({ status: 0, stdout: "5000 of 5000\n" });
      const tcp = peer.exec("far", "python3", "-c", tcpClientProgram, "10.1.0.2", "7007");
      expect(tcp).toEqual({ status: 0, stdout: "1000000\n" });
      expect(await echo.end()).toMatchObject({ received: 5000, sent: 5000, dropped: 0 });
    });
  });

  it("leaves connections of the kernel alone when nobody has the queue", async () => {
    await using peer = await PacketPeer.open();
    peer.addAddresses({ near: true });
    const server = peer.spawn("near", "python3", "-c", tcpServerProgram);
    await createInterface(server.stdout)[Symbol.asyncIterator]().next();
    const raw = await new XskBuilder("xa").networkNamespace(peer.path).filter("everything").raw();
    raw[Symbol.dispose]();
    expect(peer.exec("far", "python3", "-c", tcpClientProgram, "10.1.0.2", "7007").stdout).toBe("1000000\n");
  });

  it("says which right is missing, and what does not fit", async () => {
    await using peer = await PacketPeer.open();
    const open = `
import { XskBuilder } from "${repository}src/xdp.ts";
const error = await new XskBuilder("xa").filter("everything").frames(Number(process.argv[1])).raw().catch((error) => error);
console.log(error.problem, error.data?.errno);`;
    const without = (capability: string, frames: number): string => {
      const less = [`--bounding-set=-${capability}`, `--inh-caps=-${capability}`];
      const run = [process.execPath, "--input-type=module-typescript", "-e", open, String(frames)];
      return peer.exec("near", "prlimit", "--memlock=1048576", "setpriv", ...less, ...run).stdout.trim();
    };
    expect(without("net_raw", 64)).toBe("Permission EPERM");
    expect(without("ipc_lock", 65_536)).toBe("UmemTooLarge ENOBUFS");
    const builder = (): XskBuilder => new XskBuilder("xa").networkNamespace(peer.path).filter("everything");
    await expect(
      builder()
        .frames(2 ** 14)
        .hugePages()
        .raw(),
    ).rejects.toMatchObject({ problem: "UmemTooLarge" });
    const nowhere = new XskBuilder("none").networkNamespace(peer.path).filter("everything");
    await expect(nowhere.raw()).rejects.toMatchObject({ problem: "NoDevice" });
    const noNamespace = new XskBuilder("xa").networkNamespace("/run/netns/none").filter("everything");
    await expect(noNamespace.raw()).rejects.toMatchObject({ problem: "NoDevice" });
    // Another program on the interface.
    using first = await builder().raw();
    expect(first.isOpen).toBe(true);
    await expect(builder().queue(0).bindTimeout(0).raw()).rejects.toMatchObject({ problem: "QueueBusy" });
  });

  it(
    "leaks no frame in very many packets, and loses none that the kernel delivered",
    { timeout: 600_000 },
    async () => {
      const total = Number(process.env["AETHER_XDP_PACKETS"] ?? 200_000);
      await using peer = await PacketPeer.open();
      const other = `${peer.path}-far`;
      using sender = await new XskBuilder("xb").networkNamespace(other).withoutProgram().raw();
      await using engine = await new XskBuilder("xa")
        .networkNamespace(peer.path)
        .filter("everything")
        .frames(2048)
        .engine();
      const batch = new DescriptorBatch(64);
      const frame = plainFrame(1);
      let sent = 0;
      let heapBefore = 0;
      const { socket } = sender;
      const send = (): void => {
        socket.reclaim();
        batch.count = 0;
        while (batch.count < 64) {
          const address = socket.allocate();
          if (address < 0) break;
          socket.bytes.set(frame, address);
          batch.add(address, frame.length);
        }
        const went = socket.send(batch);
        for (let at = went; at < batch.count; at++) socket.drop(batch.addresses[at] ?? 0);
        sent += went;
        socket.kick();
        if (heapBefore === 0 && sent > total / 4) heapBefore = process.memoryUsage().heapUsed;
      };
      let received = 0;
      const running = engine.run((packets) => {
        received += packets.length;
        for (const packet of packets) if ((packet.u32(14) + received) % 3 === 0) packet.send();
        if (sent < total) send();
      });
      for (;;) {
        if (sent < total) send();
        await new Promise(setImmediate);
        const { rxDropped = 0, rxRingFull = 0 } = engine.statistics() ?? {};
        if (received + rxDropped + rxRingFull >= sent && sent >= total) break;
      }
      engine.stop();
      await running;
      const { rxDropped = 0, rxRingFull = 0 } = engine.statistics() ?? {};
      expect(received + rxDropped + rxRingFull).toBe(sent);
      const { free, fill, tx, rx, user } = engine.frameCounts();
      expect({ rx, user, sum: free + fill + tx }).toEqual({ rx: 0, user: 0, sum: 2048 });
      expect(engine.counters()).toMatchObject({ received, kept: 0, unsent: 0 });
      globalThis.gc?.();
      expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(16 * 1024 * 1024);
    },
  );
});

/** Puts a number into the addresses, which no filter looks at, so that every frame is another one. */
function mark(frame: Uint8Array, number: number): Uint8Array {
  const copy = new Uint8Array(frame);
  copy[10] = number >> 8;
  copy[11] = number & 0xff;
  return copy;
}

const pingProgram = `
import os, select, socket, struct, sys, time
def total(b):
    s = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    while s > 0xffff: s = (s & 0xffff) + (s >> 16)
    return s
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP); s.settimeout(5)
count = int(sys.argv[2]); good = 0
for n in range(count):
    body = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xffff, n) + bytes(range(56))
    body = body[:2] + struct.pack("!H", ~total(body) & 0xffff) + body[4:]
    s.sendto(body, (sys.argv[1], 0))
    while True:
        answer = s.recv(2000)[20:]
        if answer[0] == 0: break
    if total(answer) == 0xffff and answer[4:] == body[4:]: good += 1
print(good, "of", count)
`;

const udpClientProgram = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect((sys.argv[1], int(sys.argv[2])))
count = int(sys.argv[3]); good = 0
for n in range(0, count, 20):
    data = [b"%d:" % k + b"x" * (k % 1400) for k in range(n, min(n + 20, count))]
    for d in data: s.send(d)
    good += sum(s.recv(2000) == d for d in data)
print(good, "of", count)
`;

const tcpServerProgram = `
import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("10.1.0.2", 7007)); s.listen(); print("ready", flush=True)
while True:
    c = s.accept()[0]
    while True:
        data = c.recv(65536)
        if not data: break
        c.sendall(data)
    c.close()
`;

const tcpClientProgram = `
import socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
def send():
    s.sendall(b"y" * 1000000); s.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
got = 0
while True:
    data = s.recv(65536)
    if not data: break
    got += len(data)
print(got)
`;
