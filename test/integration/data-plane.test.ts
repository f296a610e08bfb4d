/** The data plane on real interfaces, in network namespaces of its own: host, client, and instances behind the host. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { programName } from "../../src/engine/dataplane/attachment.ts";
import { DataPlane, localAddress } from "../../src/engine/dataplane/data-plane.ts";
import { portCount, portCounterSlots, ringSlots } from "../../src/engine/dataplane/layout.ts";
import { packAddress, PortMap } from "../../src/engine/dataplane/port-map.ts";
import { PortTable } from "../../src/engine/dataplane/port-table.ts";
import { loadXdpObject, mappedSettings, mappedStructs } from "../../src/engine/dataplane/xdp-object.ts";
import { readBpfObject } from "../../src/ffi/bpf-file.ts";
import { possibleCpus } from "../../src/ffi/bpf-library.ts";
import { attachedXdp, attachXdp } from "../../src/ffi/bpf-xdp.ts";
import type { XdpLink } from "../../src/ffi/bpf-xdp.ts";
import { Epoll } from "../../src/ffi/epoll.ts";
import { interfaceIndex, interfaceNames } from "../../src/ffi/interfaces.ts";
import { BpfObject } from "../../src/ffi/libbpf.ts";
import { inNetns } from "../../src/ffi/netns.ts";
import type { DataPlaneConfig } from "../../src/protocol/config.ts";
import { isAetherError } from "../../src/protocol/errors.ts";
import type { AetherError } from "../../src/protocol/errors.ts";
import { Actor } from "../helpers/actor.ts";
import { withoutCapabilities } from "../helpers/capabilities.ts";

const bpfDirectory = fileURLToPath(new URL("../../build/bpf", import.meta.url));
const missing =
  process.getuid?.() !== 0
    ? "no root"
    : existsSync(`${bpfDirectory}/xdp.bpf.o`)
      ? null
      : "build/bpf is not built: npm run setup";

const port = 8080;

/**
 * For actors: a tap that counts the frames sent to a port, as tcpdump would. At the sender: native XDP sees frames
 * before the receiver puts them together (GRO), a tap there after that.
 */
const tools = `
def tap(interface):
    global taps; taps = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    taps.bind((interface, 0)); taps.setblocking(False)
def tapped(port):
    packets = size = 0
    while True:
        try: frame, (_, proto, kind, *rest) = taps.recvfrom(70000)
        except BlockingIOError: return [packets, size]
        if kind != 4 or proto not in (0x800, 0x86dd): continue
        at = 14 + ((frame[14] & 15) * 4 if proto == 0x800 else 40)
        if frame[23 if proto == 0x800 else 20] in (6, 17) and frame[at + 2:at + 4] == struct.pack("!H", port):
            packets += 1; size += len(frame)
def received(interface):
    for line in open("/proc/thread-self/net/dev"):
        if line.strip().startswith(interface + ":"): return int(line.split(":")[1].split()[1])
def sh(*lines):
    for line in lines:
        if os.system(line) != 0: raise Exception(line)
`;

describe.skipIf(missing !== null)(
  `the data plane on interfaces${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    let descriptors: number;
    let actors: Actor[] = [];
    let host: Actor;
    let client: Actor;
    let epoll: Epoll;
    const cleanup: Disposable[] = [];

    async function actor(): Promise<Actor> {
      const made = new Actor(null);
      actors.push(made);
      await made.run(tools);
      await made.run(`sh("ip link set lo up")`);
      return made;
    }

    const netns = ({ pid }: Actor): string => `/proc/${pid}/ns/net`;
    const inHost = <T>(work: () => T): T => inNetns(netns(host), work);

    function plane(config: Partial<DataPlaneConfig> = {}): DataPlane {
      const whole: DataPlaneConfig = { interfaces: ["up0"], mode: "generic", required: true, ...config };
      const made = inHost(() => new DataPlane({ config: whole, bpfDirectory, epoll }));
      cleanup.push(made);
      return made;
    }

    beforeEach(async () => {
      descriptors = readdirSync("/proc/self/fd").length;
      epoll = new Epoll((error) => expect.unreachable(String(error)));
      host = await actor();
      client = await actor();
      await host.run(`sh("ip link add up0 type veth peer name down0 netns ${client.pid}",
        "ip addr add 10.7.0.1/24 dev up0", "ip addr add fd07::1/64 dev up0 nodad", "ip link set up0 up")`);
      await client.run(`sh("ip addr add 10.7.0.2/24 dev down0", "ip addr add fd07::2/64 dev down0 nodad",
        "ip link set down0 up")`);
    });

    afterEach(async () => {
      for (const handle of cleanup.splice(0).toReversed()) handle[Symbol.dispose]();
      epoll[Symbol.dispose]();
      await Promise.all(actors.map((each) => each.end()));
      actors = [];
      await expect.poll(() => readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(descriptors);
    });

    function failure(act: () => unknown): AetherError {
      try {
        act();
      } catch (error) {
        if (isAetherError(error)) return error;
        throw error;
      }
      throw new Error("it did not fail");
    }

    const programOf = (name: string): number =>
      inHost(() => attachedXdp(interfaceIndex(name))?.programId ?? 0);

    const families = [
      ["generic", "AF_INET", "0.0.0.0", "10.7.0.1"],
      ["generic", "AF_INET6", "::", "fd07::1"],
      ["native", "AF_INET", "0.0.0.0", "10.7.0.1"],
      ["native", "AF_INET6", "::", "fd07::1"],
    ] as const;

    it.each(families)(
      "%s, %s: counts what a tap counts, to the packet and byte",
      async (mode, family, any, address) => {
        const made = plane({ mode });
        expect(made.view().interfaces).toMatchObject([{ name: "up0", mode }]);
        made.declare(port, { protocol: "tcp", maxConnectionsPerSecond: null });
        made.declare(port + 1, { protocol: "udp", maxConnectionsPerSecond: null });
        await client.run(`tap("down0")`);
        await host.run(`l = listen(${port}, socket.${family}, "${any}")
u = socket.socket(socket.${family}, socket.SOCK_DGRAM); u.settimeout(5); u.bind(("${any}", ${port + 1}))`);
        await client.run(`
for _ in range(20):
    c = client(${port}, socket.${family}, "${address}"); c.sendall(b"x" * 3000); c.close()
u = socket.socket(socket.${family}, socket.SOCK_DGRAM); u.settimeout(5)
for n in range(30): u.sendto(b"y" * n, ("${address}", ${port + 1}))`);
        await host.run(`
for _ in range(20):
    a = l.accept()[0]
    while a.recv(4000): pass
    a.close()
for _ in range(30): u.recvfrom(100)`);
        const seen = async (): Promise<number> => (await client.run(`result = received("down0")`)) as number;
        // Quiet: no more of the connections' last packets.
        let before = -1;
        await expect.poll(async () => before === (before = await seen()), { interval: 100 }).toBe(true);
        const tapped = (await client.run(`result = tapped(${port})`)) as [number, number];
        expect([made.portCounters(port)?.packets, made.portCounters(port)?.bytes]).toEqual(tapped);
        expect(made.portCounters(port)?.syns).toBe(20);
        const sum = Array.from({ length: 30 }, (_, n) => n).reduce((all, n) => all + n, 0);
        const headers = 14 + 8 + (family === "AF_INET" ? 20 : 40);
        expect(made.portCounters(port + 1)).toMatchObject({ packets: 30, bytes: sum + 30 * headers });
        const lastMs = made.lastPacketMs(port) ?? 0;
        const nowMs = Number(process.hrtime.bigint()) / 1e6;
        expect(lastMs).toBeLessThanOrEqual(nowMs);
        expect(lastMs).toBeGreaterThan(nowMs - 60_000);
      },
    );

    it("counts all that the interface counts", async () => {
      const made = plane();
      const uncounted = async (): Promise<number> =>
        ((await host.run(`result = received("up0")`)) as number) -
        (made.interfaceCounters()[0]?.packets ?? 0);
      // What came before the program was attached; the kernel itself sends a few when an interface comes up.
      const before = await uncounted();
      await client.run(`
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(200): s.sendto(b"z", ("10.7.0.1", 1000 + n % 7))
i = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
for n in range(3): i.sendto(struct.pack("!BBHHH", 8, 0, 0xf7fd - n, 1, 1 + n), ("10.7.0.1", 0))`);
      await expect.poll(uncounted).toBe(before);
      const [counted] = made.interfaceCounters();
      expect(counted?.unparsed.other_protocol).toBeGreaterThanOrEqual(3);
      expect(made.otherCounters().packets).toBe(200);
    });

    it("loopback carries requests and answers, IPv4 and IPv6", async () => {
      const made = plane({ interfaces: ["lo", "up0"], mode: "auto" });
      made.declare(port, { protocol: "tcp", maxConnectionsPerSecond: null });
      await host.run(`
for family, any, host in ((socket.AF_INET, "0.0.0.0", "127.0.0.1"), (socket.AF_INET6, "::1", "::1")):
    l = listen(${port}, family, any); c = client(${port}, family, host)
    a = l.accept()[0]; c.sendall(b"ask"); a.sendall(a.recv(3)); result = c.recv(3).decode(); c.close(); a.close(); l.close()`);
      expect(made.portCounters(port)?.syns).toBe(2);
      expect(made.interfaceCounters().map(({ name }) => name)).toEqual(["lo", "up0"]);
    });

    it("SYNs over the limit get no answer, and the limit can be lifted", async () => {
      const made = plane();
      made.declare(port, { protocol: "tcp", maxConnectionsPerSecond: 2 });
      await host.run(`l = listen(${port}, host="0.0.0.0")`);
      const connected = await client.run(`
cs = [socket.socket() for _ in range(10)]
for c in cs: c.setblocking(False); c.connect_ex(("10.7.0.1", ${port}))
import select
time.sleep(0.2)
result = len(select.select([], cs, [], 0)[1])`);
      expect(connected).toBe(2);
      expect(made.portCounters(port)).toMatchObject({ syns: 10, synsDropped: 8 });
      made.declare(port, { protocol: "tcp", maxConnectionsPerSecond: null });
      await client.run(`d = [client(${port}, host="10.7.0.1") for _ in range(20)]`);
    });

    it("calls back at the first SYN, once, though nobody listens", async () => {
      const made = plane();
      made.declare(port, { protocol: "tcp", maxConnectionsPerSecond: null });
      const ports: number[] = [];
      made.watchSyn(port, () => ports.push(port));
      made.watchSyn(9, () => ports.push(9)); // Not declared.
      const refused = `
for _ in range(3):
    try: client(${port}, host="10.7.0.1")
    except ConnectionRefusedError: pass`;
      await client.run(refused);
      await expect.poll(() => ports).toEqual([port]);
      await client.run(refused);
      made.watchSyn(port, () => ports.push(-port));
      await client.run(refused);
      await expect.poll(() => ports).toEqual([port, -port]);
      made.watchSyn(port, () => ports.push(0));
      made.unwatchSyn(port);
      await client.run(refused);
      expect(ports).toEqual([port, -port]);
    });

    it("is replaced in one step by a reload: every packet is counted, by one program or the next", async () => {
      const made = plane({ interfaces: ["up0"] });
      made.declare(port, { protocol: "udp", maxConnectionsPerSecond: null });
      const first = programOf("up0");
      await host.run(`u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", ${port}))`);
      const sending = client.run(`
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range(30000): s.sendto(b"z", ("10.7.0.1", ${port}))`);
      for (let times = 0; times < 5; times++) {
        inHost(() => made.reload({ interfaces: ["up0"], mode: "generic", required: true }));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await sending;
      expect(programOf("up0")).not.toBe(first);
      await expect.poll(() => made.portCounters(port)?.packets).toBe(30_000);
      expect(made.interfaceCounters()[0]?.packets).toBeGreaterThanOrEqual(30_000);
      inHost(() => made.reload({ interfaces: ["lo"], mode: "generic", required: true }));
      expect(programOf("up0")).toBe(0);
      expect(programOf("lo")).not.toBe(0);
    });

    it("keeps a mirror of the port map, and sees where the two differ", () => {
      const made = plane();
      made.declare(port, { protocol: "tcp", maxConnectionsPerSecond: null });
      expect(made.setOwner(port, { pid: 77, address: localAddress })).toBe(true);
      expect(made.setOwner(port, { pid: 77, address: localAddress })).toBe(false);
      expect(made.disagreements()).toEqual([]);
      expect(made.view().ports).toEqual([{ port, pid: 77, address: localAddress }]);
      const write = (key: number, value: string): void => {
        const hex = (bytes: Uint8Array): string[] =>
          [...bytes].map((byte) => byte.toString(16).padStart(2, "0"));
        const keyBytes = hex(new Uint8Array(new Uint32Array([key]).buffer));
        const words = [
          "map",
          "update",
          "id",
          String(made.view().portMapId),
          "key",
          "hex",
          ...keyBytes,
          "value",
          "hex",
        ];
        const done = spawnSync("bpftool", [...words, ...value.split(" ")], { encoding: "utf8" });
        expect(done.stderr).toBe("");
      };
      write(port, "4e 00 00 00 7f 00 00 01");
      write(65_535, "01 00 00 00 0a 00 00 05");
      expect(made.disagreements()).toEqual([
        { port, expected: { pid: 77, address: localAddress }, found: { pid: 78, address: localAddress } },
        { port: 65_535, expected: null, found: { pid: 1, address: "10.0.0.5" } },
      ]);
      made.release(port);
      expect(made.disagreements()).toMatchObject([{ port: 65_535 }]);
      expect(failure(() => made.setOwner(65_536, { pid: 1, address: localAddress }))).toMatchObject({
        code: "AE_BPF_MAP_OPERATION_FAILED",
        data: { port: 65_536, reason: "OutOfRange" },
      });
    });

    describe("what is wrong is said, and nothing of others is touched", () => {
      it("no such interface; the first one is let go again", () => {
        const error = failure(() => plane({ interfaces: ["lo", "nowhere0"] }));
        expect(error).toMatchObject({
          code: "AE_BPF_ATTACH_FAILED",
          data: { interface: "nowhere0", reason: "NoSuchInterface" },
        });
        expect(programOf("lo")).toBe(0);
      });

      it("native where the driver has no XDP", () => {
        const error = failure(() => plane({ interfaces: ["lo"], mode: "native" }));
        expect(error).toMatchObject({
          code: "AE_BPF_ATTACH_FAILED",
          data: { interface: "lo", reason: "NotSupported" },
        });
      });

      // A program that has been loaded is attached by a link without any capability (dev_xdp_attach, net/core/dev.c).
      it("no permission: without the capabilities no program is loaded", () => {
        const error = failure(() =>
          withoutCapabilities(() => BpfObject.load(readBpfObject(`${bpfDirectory}/bench.bpf.o`))),
        );
        expect(error).toMatchObject({
          code: "AE_BPF_LOAD_FAILED",
          hint: expect.stringContaining("CAP_NET_ADMIN") as unknown,
          data: { errno: "EPERM" },
        });
      });

      const strangers = ["by a link", "by netlink"] as const;
      it.each(strangers)("a foreign program %s, in any mode", (how) => {
        const object = BpfObject.load(readBpfObject(`${bpfDirectory}/bench.bpf.o`));
        cleanup.push(object);
        const program = object.program("bench_empty");
        if (how === "by a link") cleanup.push(inHost(() => attachXdp(program, "up0", "native")));
        else {
          // bpftool's attachment is by netlink; it finds the program by its id.
          const { programId } = inHost(() => {
            using link = attachXdp(program, "lo", "generic");
            expect(link.interfaceName).toBe("lo");
            return attachedXdp(interfaceIndex("lo")) ?? { programId: 0 };
          });
          const words = ["-n", "-t", String(host.pid), "bpftool", "net", "attach", "xdpgeneric", "id"];
          const done = spawnSync("nsenter", [...words, String(programId), "dev", "up0"], {
            encoding: "utf8",
          });
          expect(done.stderr).toBe("");
        }
        const there = programOf("up0");
        expect(there).not.toBe(0);
        for (const mode of ["auto", "native", "generic"] as const) {
          expect(failure(() => plane({ mode }))).toMatchObject({
            code: "AE_BPF_ATTACH_FAILED",
            why: expect.stringContaining("bench_empty") as unknown,
            data: { interface: "up0", reason: "ForeignProgram", attached: "bench_empty", attachedId: there },
          });
        }
        expect(programOf("up0")).toBe(there);
      });
    });

    it("interfaces are those of the namespace, not of the machine", () => {
      expect(inHost(interfaceNames).toSorted()).toEqual(["lo", "up0"]);
    });

    describe("instances with an address of their own", () => {
      const instanceCount = 3;
      let instances: Actor[];
      let object: BpfObject;

      beforeEach(async () => {
        instances = [];
        object = loadXdpObject(readBpfObject(`${bpfDirectory}/xdp.bpf.o`), {});
        cleanup.push(object);
        await host.run(`sysctl("net/ipv4/ip_forward", 1)`);
        for (let index = 0; index < instanceCount; index++) {
          const made = await actor();
          instances.push(made);
          const net = `10.8.${index}`;
          await host.run(`sh("ip link add in${index} type veth peer name eth0 netns ${made.pid}",
            "ip addr add ${net}.1/24 dev in${index}", "ip link set in${index} up")`);
          await made.run(`sh("ip addr add ${net}.2/24 dev eth0", "ip link set eth0 up",
            "ip route add default via ${net}.1")
name = "${index}"
l = listen(${port}, host="0.0.0.0")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(5); u.bind(("0.0.0.0", ${port}))
import threading
def tcp():
    while True:
        try: a = l.accept()[0]
        except socket.timeout: continue
        threading.Thread(target=serve, args=(a,), daemon=True).start()
def serve(a):
    a.settimeout(20); data = a.recv(1000)
    while data: a.sendall(name.encode() + data); data = a.recv(1000)
    a.close()
def udp():
    while True:
        try: data, whence = u.recvfrom(2000)
        except socket.timeout: continue
        u.sendto(name.encode() + data, whence)
for work in (tcp, udp): threading.Thread(target=work, daemon=True).start()`);
        }
        const link = (name: string, program: string): XdpLink =>
          inHost(() => attachXdp(object.program(program), name, "generic"));
        cleanup.push(link("up0", programName));
        for (let index = 0; index < instanceCount; index++)
          cleanup.push(link(`in${index}`, "aether_replies"));
      });

      const settings = () => mappedSettings(object);
      const table = (): PortTable => {
        const counters = {
          ports: mappedStructs(object, "port_counters", "port_counters", possibleCpus() * portCounterSlots),
          unparsed: mappedStructs(object, "interface_counters", "interface_counters", possibleCpus()),
        };
        return new PortTable({
          settings: settings(),
          counters: () => [counters],
          limits: mappedStructs(object, "port_limits", "port_limit", portCounterSlots),
          cpus: possibleCpus(),
        });
      };
      const owner = (address: string): void =>
        new PortMap(mappedStructs(object, "port_redirect_map", "port_value", portCount)).set(port, {
          pid: 1,
          address,
        });

      it("answers TCP from another namespace, under the address that was asked", async () => {
        const ports = table();
        ports.declare(port, { protocol: "tcp", maxConnectionsPerSecond: null });
        owner("10.8.1.2");
        const answers = await client.run(`
result = []
for n in range(10):
    c = client(${port}, host="10.7.0.1"); c.sendall(b"hello"); result.append(c.recv(100).decode()); c.close()`);
        expect(answers).toEqual(Array.from({ length: 10 }, () => "1hello"));
        // The first packets may wait for a neighbour's address, and are the kernel's to forward then.
        expect(ports.counters(port)?.redirected).toBeGreaterThan(20);
      });

      it("answers UDP from another namespace", async () => {
        const ports = table();
        ports.declare(port, { protocol: "udp", maxConnectionsPerSecond: null });
        owner("10.8.2.2");
        const answers = await client.run(`
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); result = []
s.connect(("10.7.0.1", ${port}))
for n in range(10): s.send(b"%d" % n); result.append(s.recv(100).decode())`);
        expect(answers).toEqual(Array.from({ length: 10 }, (_, n) => `2${n}`));
        expect(ports.counters(port)?.redirected).toBeGreaterThan(0);
      });

      it("spreads clients over a ring, and each stays with its target though the ring changes", async () => {
        const ports = table();
        ports.declare(port, { protocol: "tcp", maxConnectionsPerSecond: null });
        const targets = mappedStructs(object, "ring_targets", "target", 64 * ringSlots);
        const fill = (choose: (slot: number) => number): void => {
          for (let slot = 0; slot < ringSlots; slot++) {
            const at = (ringSlots + slot) * targets.stride;
            targets.view.setUint32(at, packAddress(`10.8.${choose(slot)}.2`), true);
          }
        };
        fill((slot) => slot % instanceCount);
        const { view, stride } = settings();
        view.setUint16(port * stride + 4, 1, true);
        const first = await client.run(`
cs = [client(${port}, host="10.7.0.1") for _ in range(60)]; result = []
for c in cs: c.sendall(b"a"); result.append(c.recv(100).decode()[0])`);
        expect(new Set(first as string[])).toEqual(new Set(["0", "1", "2"]));
        fill(() => 0);
        const again = await client.run(`
result = []
for c in cs: c.sendall(b"b"); result.append(c.recv(100).decode()[0])`);
        expect(again).toEqual(first);
        const fresh = await client.run(`
result = []
for _ in range(10): c = client(${port}, host="10.7.0.1"); c.sendall(b"c"); result.append(c.recv(100).decode()[0]); c.close()`);
        expect(fresh).toEqual(Array.from({ length: 10 }, () => "0"));
      });
    });
  },
);
