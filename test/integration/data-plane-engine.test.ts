/** Engines with a data plane, in network namespaces of their own; and `aether xdp` without one. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { attachedXdp, attachXdp } from "../../src/ffi/bpf-xdp.ts";
import { readBpfObject } from "../../src/ffi/bpf-file.ts";
import { interfaceIndex } from "../../src/ffi/interfaces.ts";
import { BpfObject } from "../../src/ffi/libbpf.ts";
import { inNetns } from "../../src/ffi/netns.ts";
import { Actor } from "../helpers/actor.ts";
import { aether } from "../helpers/command-line.ts";
import { fixture, repository, TestEngine } from "../helpers/engine.ts";
import { connectHosts, sh } from "../helpers/two-hosts.ts";

const bpf = (name: string): string => join(repository, "build/bpf", name);
const missing =
  process.getuid?.() !== 0
    ? "no root"
    : existsSync(bpf("xdp.bpf.o"))
      ? null
      : "build/bpf is not built: npm run setup";

const port = 8080;
const never = { suspend_after: "never", snapshot_after: "never" };
const hello = {
  id: "hello",
  command: "python3 handler.py",
  cwd: fixture("hello-python"),
  trigger_port: port,
  idle: never,
};
const plane = { data_plane: { interfaces: ["lo", "up0"], mode: "generic" } };

/**
 * A client that does its handshake by hand, so that it can take its time between SYN and ACK. Its address is nobody's:
 * no kernel answers for it.
 */
const slowClient = `
import threading
def checksum(data):
    if len(data) % 2: data += b"\\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
class Slow:
    def __init__(self, interface, mac, peer_mac, source, target, sport, dport):
        self.raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); self.raw.bind((interface, 0))
        self.raw.settimeout(5); self.__dict__.update(locals()); self.seq = 1000; self.ack = 0
    def send(self, flags, data=b""):
        ends = socket.inet_aton(self.source) + socket.inet_aton(self.target)
        def tcp(total): return struct.pack("!HHIIBBHHH", self.sport, self.dport, self.seq, self.ack, 5 << 4, flags, 65000, total, 0) + data
        body = tcp(checksum(ends + struct.pack("!BBH", 0, 6, 20 + len(data)) + tcp(0)))
        def ip(total): return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 6, total) + ends
        self.raw.send(self.peer_mac + self.mac + b"\\x08\\0" + ip(checksum(ip(0))) + body)
        self.seq += len(data) + (flags & 2 != 0)
    def receive(self):
        while True:
            frame = self.raw.recv(70000)
            if frame[12:14] == b"\\x08\\0" and frame[23] == 6 and frame[34:38] == struct.pack("!HH", self.dport, self.sport):
                seq = struct.unpack("!I", frame[38:42])[0]
                data = frame[34 + (frame[46] >> 4) * 4:14 + struct.unpack("!H", frame[16:18])[0]]
                self.ack = seq + len(data) + (frame[47] & 3 != 0)
                return frame[47], data
`;

describe.skipIf(missing !== null)(
  `an engine with a data plane${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    let host: Actor;
    let client: Actor;
    let engine: TestEngine | null = null;

    const inHost = <T>(work: () => T): T => inNetns(`/proc/${host.pid}/ns/net`, work);
    const programOf = (name: string): number =>
      inHost(() => attachedXdp(interfaceIndex(name))?.programId ?? 0);

    beforeEach(async () => {
      host = new Actor(null, true);
      client = new Actor(null);
      await connectHosts(host, client);
    });

    afterEach(async () => {
      const ended = engine;
      engine = null;
      await ended?.[Symbol.asyncDispose]();
      await Promise.all([host, client].map((actor) => actor.end()));
      expect(ended?.leftovers() ?? []).toEqual([]);
    });

    const start = async (
      functions = [hello] as readonly (typeof hello & Record<string, unknown>)[],
      more = plane as object,
    ) => (engine = await TestEngine.start({ functions, engine: { ...more }, neighbour: host.pid }));

    const get = `
def get(host):
    c = socket.create_connection((host, ${port}), 20); c.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); data = b""
    while True:
        more = c.recv(1000)
        if not more: return data.decode()
        data += more
result = get("10.7.0.1")`;

    it("counts by port, says who has it, and lets go when it ends", async () => {
      const started = await start();
      expect((await started.state()).engine.dataPlane).toMatchObject({
        interfaces: [
          { name: "lo", mode: "generic" },
          { name: "up0", mode: "generic" },
        ],
        ports: [{ port, pid: 0, address: "127.0.0.1" }],
      });
      expect(await client.run(get)).toContain("hello from python");
      const view = await started.settled("hello", "Running");
      await expect
        .poll(async () => (await started.state()).engine.dataPlane?.ports)
        .toEqual([{ port, pid: view.instances[0]?.pid, address: "127.0.0.1" }]);
      expect(programOf("up0")).not.toBe(0);
      await started.stop();
      expect(programOf("up0")).toBe(0);
      expect(programOf("lo")).toBe(0);
    });

    it("stats --json has the packets and bytes of each function, equal to what a packet socket counts", async () => {
      const started = await start([hello, { ...hello, id: "other", trigger_port: 8090 }]);
      await host.run(`
import threading
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); sniffer.bind(("up0", 0))
seen = {"packets": 0, "bytes": 0}
def sniff():
    while True:
        frame, whence = sniffer.recvfrom(70000)
        if whence[2] == 4 or frame[12:14] != b"\\x08\\0" or frame[23] != 6: continue
        if frame[36:38] != struct.pack("!H", ${port}): continue
        seen["packets"] += 1; seen["bytes"] += len(frame)
threading.Thread(target=sniff, daemon=True).start()`);
      await client.run(`${get}\nfor _ in range(20): get("10.7.0.1")`);
      const counted = async (): Promise<unknown> => {
        const { stdout } = await aether(["--engine", started.name, "stats", "--json"], { env: started.env });
        const { functions } = JSON.parse(stdout) as {
          functions: { id: string; packets: number; bytes: number }[];
        };
        return functions.map(({ id, packets, bytes }) => ({ id, packets, bytes }));
      };
      await expect.poll(async () => await host.run("result = seen['packets']")).toBeGreaterThan(100);
      await expect.poll(counted, { timeout: 10_000 }).toEqual([
        { id: "hello", ...((await host.run("result = seen")) as object) },
        { id: "other", packets: 0, bytes: 0 },
      ]);
    });

    it.each([
      ["127.0.0.1", "0.0.0.0"],
      ["::1", "::"],
    ])(
      "datagrams to %s that wait for a sleeping function are all answered, though more than a usual buffer holds",
      async (target, bound) => {
        const echo = {
          ...hello,
          command: "python3 server.py",
          cwd: fixture("udp-echo"),
          protocol: "udp",
          ready: "port",
          env: { HOST: bound },
        };
        const started = await start([echo]);
        await started.settled("hello", "WarmSnapshot");
        const rest = [0, 3, ...Array.from({ length: 50 }, () => 32_000), 65_000];
        const answers = await host.run(`
u = socket.socket(socket.AF_INET6 if ":" in "${target}" else socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(10)
SO_RCVBUFFORCE = 33; u.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
def body(size): return bytes(range(251)) * (size // 251) + b"x" * (size % 251)
sizes = [65507] + ${JSON.stringify(rest)}
for size in sizes: u.sendto(body(size), ("${target}", ${port}))
result = []
for _ in sizes:
    data = u.recv(70000); assert data == body(len(data)); result.append(len(data))`);
        expect((answers as number[]).toSorted((a, b) => a - b)).toEqual([...rest, 65_507]);
      },
    );

    it("killed, it leaves no program: direct traffic flows", async () => {
      const started = await start();
      expect(programOf("up0")).not.toBe(0);
      started.child.kill("SIGKILL");
      await started.exited;
      await expect.poll(() => programOf("up0")).toBe(0);
      expect(programOf("lo")).toBe(0);
      await host.run(`l = listen(9000, host="0.0.0.0")`);
      await client.run(`c = client(9000, host="10.7.0.1"); c.sendall(b"direct")`);
      expect(await host.run(`result = l.accept()[0].recv(10).decode()`)).toBe("direct");
    });

    it("wake_on: syn begins the wake before the handshake ends, and the client is answered", async () => {
      const started = await start([{ ...hello, wake_on: "syn" }]);
      await started.settled("hello", "WarmSnapshot");
      await client.run(slowClient);
      const hostMac = await host.run(
        `result = os.popen("ip -o link show up0").read().split("link/ether ")[1].split()[0]`,
      );
      const ownMac = await client.run(
        `result = os.popen("ip -o link show down0").read().split("link/ether ")[1].split()[0]`,
      );
      await host.run(sh(`ip neigh add 10.7.0.9 lladdr ${String(ownMac)} dev up0`));
      const from = started.events.length;
      const times = (await client.run(`
unhex = lambda text: bytes.fromhex(text.replace(":", ""))
s = Slow("down0", unhex("${String(ownMac)}"), unhex("${String(hostMac)}"), "10.7.0.9", "10.7.0.1", 4444, ${port})
s.send(2); syn_at = time.time(); flags, _ = s.receive(); assert flags == 0x12, flags
time.sleep(0.05); ack_at = time.time(); s.send(0x10); s.send(0x18, b"GET / HTTP/1.0\\r\\n\\r\\n")
answer = b""
while True:
    flags, data = s.receive(); answer += data
    if data or flags & 1: s.send(0x10)
    if flags & 1: break
assert b"hello from python" in answer, answer
result = [syn_at * 1000, ack_at * 1000]`)) as [number, number];
      const step = await started.waitFor(
        (event) => event.type === "transition" && event.to === "Running",
        "the wake",
        10_000,
        from,
      );
      expect(step).toMatchObject({ type: "transition", cause: "syn" });
      const beganAt = step.type === "transition" ? step.atMs - step.durationMs : Number.NaN;
      // Wall clocks of one machine; events carry whole milliseconds.
      expect(beganAt).toBeGreaterThanOrEqual(times[0] - 2);
      expect(beganAt).toBeLessThan(times[1]);
    });

    it("wake_on: data sleeps on while a client says nothing, and answers it when it speaks", async () => {
      const port2 = port + 1;
      const started = await start([
        { ...hello, wake_on: "data" },
        { ...hello, id: "other", trigger_port: port2 },
      ]);
      await started.settled("hello", "WarmSnapshot");
      await client.run(`quiet = client(${port}, host="10.7.0.1")`);
      // A whole wake of another function later, the silent client has woken nobody.
      await client.run(get.replaceAll(String(port), String(port2)));
      await started.settled("other", "Running");
      expect((await started.function("hello")).wakes).toBe(0);
      expect(
        await client.run(`quiet.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); result = quiet.recv(1000).decode()`),
      ).toContain("200 OK");
      expect((await started.settled("hello", "Running")).wakes).toBe(1);
      // Suspended, it is the same, with the function's own socket.
      await started.action("hello", "suspend");
      await client.run(`quiet = client(${port}, host="10.7.0.1")`);
      await started.action("other", "suspend");
      await client.run(get.replaceAll(String(port), String(port2)));
      expect((await started.function("hello")).state).toBe("Suspended");
      expect(
        await client.run(`quiet.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); result = quiet.recv(1000).decode()`),
      ).toContain("200 OK");
      expect(await client.run(get)).toContain("hello from python");
    });

    it("max_connections_per_second drops what is over it, and a reload lifts it without a new process", async () => {
      const started = await start([{ ...hello, max_connections_per_second: 1 }]);
      expect(await client.run(get)).toContain("hello from python");
      const { instances } = await started.settled("hello", "Running");
      await client.run(`
cs = [socket.socket() for _ in range(5)]
for c in cs: c.setblocking(False); c.connect_ex(("10.7.0.1", ${port}))
import select; time.sleep(0.1)
result = len(select.select([], cs, [], 0)[1]); assert result <= 1, result`);
      const from = started.events.length;
      started.rewrite([hello], plane);
      await started.waitFor((event) => event.type === "reload", "the reload", 10_000, from);
      await client.run(`for _ in range(20): client(${port}, host="10.7.0.1").close()`);
      expect((await started.function("hello")).instances[0]?.pid).toBe(instances[0]?.pid);
    });

    it("a reload takes the program to other interfaces; an interface that is not there is reported", async () => {
      const started = await start();
      const from = started.events.length;
      started.rewrite([hello], { data_plane: { interfaces: ["up0"], mode: "generic" } });
      await started.waitFor((event) => event.type === "reload", "the reload", 10_000, from);
      expect(programOf("lo")).toBe(0);
      expect(programOf("up0")).not.toBe(0);
      started.rewrite([hello], { data_plane: { interfaces: ["up0", "none0"], mode: "generic" } });
      const error = await started.waitFor((event) => event.type === "error", "the error", 10_000, from);
      expect(error).toMatchObject({
        error: { code: "AE_BPF_ATTACH_FAILED", data: { interface: "none0", reason: "NoSuchInterface" } },
      });
      expect(programOf("up0")).not.toBe(0);
      expect(await client.run(get)).toContain("hello from python");
    });

    it("doctor compares the engine's mirror with the kernel's map", async () => {
      const started = await start();
      const check = (): { status: string; what: string; why: string | null } => {
        const words = ["-n", "-t", String(host.pid), process.execPath, join(repository, "dist/cli.js")];
        const { stdout } = spawnSync("nsenter", [...words, "doctor", "--json", "--engine", started.name], {
          encoding: "utf8",
          env: started.env,
        });
        const checks = JSON.parse(stdout) as {
          name: string;
          status: string;
          what: string;
          why: string | null;
        }[];
        return checks.find(({ name }) => name === "data-plane") ?? { status: "none", what: "", why: null };
      };
      expect(check()).toMatchObject({
        status: "ok",
        what: expect.stringContaining("agree on 1 ports") as unknown,
      });
      const mapId = String((await started.state()).engine.dataPlane?.portMapId);
      const words = ["map", "update", "id", mapId, "key", "hex", "90", "1f", "00", "00", "value", "hex"];
      spawnSync("bpftool", [...words, "07", "00", "00", "00", "7f", "00", "00", "01"]);
      expect(check()).toMatchObject({
        status: "fail",
        why: expect.stringContaining(`port ${port}`) as unknown,
      });
    });

    describe("a foreign program on the interface", () => {
      let handles: Disposable[] = [];
      let foreign: number;

      beforeEach(() => {
        const object = BpfObject.load(readBpfObject(bpf("bench.bpf.o")));
        handles = [inHost(() => attachXdp(object.program("bench_empty"), "up0", "generic")), object];
        foreign = programOf("up0");
      });

      afterEach(() => {
        for (const handle of handles) handle[Symbol.dispose]();
      });

      it("keeps a required data plane, and with it the engine, from starting", () => {
        const folder = mkdtempSync(join(tmpdir(), "aether-"));
        try {
          const file = join(folder, "aether.yaml");
          const name = `t${process.pid}foreign`;
          writeFileSync(file, stringify({ version: 1, engine: { name, ...plane }, functions: [hello] }));
          const words = ["-n", "-t", String(host.pid), process.execPath, join(repository, "dist/cli.js")];
          const { status, stderr } = spawnSync("nsenter", [...words, "--headless", "-c", file], {
            encoding: "utf8",
            env: {
              ...process.env,
              AETHER_RUNTIME_DIR: join(folder, "run"),
              AETHER_STATE_DIR: join(folder, "state"),
            },
          });
          expect(status).toBe(1);
          expect(stderr).toContain("AE_BPF_ATTACH_FAILED");
          expect(stderr).toContain("bench_empty");
          expect(existsSync(`/dev/shm/aether-${name}`)).toBe(false);
        } finally {
          rmSync(folder, { recursive: true, force: true });
        }
        expect(programOf("up0")).toBe(foreign);
        expect(programOf("lo")).toBe(0);
      });

      it("is reported, and stays, where the data plane is not required", async () => {
        const started = await start([hello], { data_plane: { ...plane.data_plane, required: false } });
        expect(started.events).toContainEqual(
          expect.objectContaining({
            type: "error",
            error: expect.objectContaining({ code: "AE_BPF_ATTACH_FAILED" }) as unknown,
          }),
        );
        expect((await started.state()).engine.dataPlane).toBeNull();
        expect(programOf("up0")).toBe(foreign);
        expect(await client.run(get)).toContain("hello from python");
      });
    });

    describe("aether xdp", () => {
      function xdp(...args: string[]): { status: number | null; stdout: string; stderr: string } {
        const words = [
          "-n",
          "-m",
          "-t",
          String(host.pid),
          process.execPath,
          join(repository, "dist/cli.js"),
          "xdp",
        ];
        return spawnSync("nsenter", [...words, ...args], { encoding: "utf8" });
      }
      const shown = (): {
        interface: string;
        program: string;
        owner: string;
        mode: string;
        pin: string | null;
      }[] => JSON.parse(xdp("show", "--json").stdout) as never;

      it("attaches a program of one's own, which outlives the command, and takes it off", () => {
        expect(xdp("show").stdout).toContain("no XDP program is attached");
        const loaded = xdp("load", "lo", bpf("bench.bpf.o"), "--program", "bench_least");
        expect(loaded.stderr).toBe("");
        expect(loaded.stdout).toMatch(/bench_least, id \d+, is attached to lo \(generic\)/);
        expect(shown()).toMatchObject([
          { interface: "lo", program: "bench_least", mode: "generic", owner: "loaded" },
        ]);
        const again = xdp("load", "lo", bpf("bench.bpf.o"), "--program", "bench_empty");
        expect(again.status).toBe(1);
        expect(again.stderr).toContain("AE_BPF_ATTACH_FAILED");
        const unloaded = xdp("unload", "lo");
        expect(unloaded.status, unloaded.stderr).toBe(0);
        expect(programOf("lo")).toBe(0);
        expect(shown()).toEqual([]);
        expect(xdp("unload", "lo").status).toBe(2);
      });

      it("says which programs there are, and what is wrong with a call", () => {
        const several = xdp("load", "lo", bpf("bench.bpf.o"));
        expect(several.status).toBe(2);
        expect(several.stderr).toContain("bench_empty, bench_least");
        expect(xdp("load", "lo", bpf("bench.bpf.o"), "--program", "no").status).toBe(2);
        expect(xdp("load", "lo", bpf("cgroup.bpf.o")).stderr).toContain("no XDP program");
        expect(xdp("load", "nowhere0", bpf("bench.bpf.o"), "--program", "bench_empty").stderr).toContain(
          "no such interface",
        );
        expect(xdp("load", "lo", "/nowhere.o").stderr).toContain("AE_BPF_LOAD_FAILED");
        expect(xdp("load", "lo").status).toBe(2);
        expect(
          xdp("load", "lo", bpf("bench.bpf.o"), "--program", "bench_empty", "--mode", "native").stderr,
        ).toContain("no native XDP");
        expect(programOf("lo")).toBe(0);
      });

      it("leaves programs of others alone, and says that they are", () => {
        const object = BpfObject.load(readBpfObject(bpf("bench.bpf.o")));
        const link = inHost(() => attachXdp(object.program("bench_empty"), "up0", "generic"));
        try {
          expect(shown()).toMatchObject([
            { interface: "up0", program: "bench_empty", owner: "foreign", pin: null },
          ]);
          const unloaded = xdp("unload", "up0");
          expect(unloaded.status).toBe(2);
          expect(unloaded.stderr).toContain("somebody else's");
          expect(programOf("up0")).not.toBe(0);
        } finally {
          link[Symbol.dispose]();
          object[Symbol.dispose]();
        }
      });

      it("shows an engine's programs as such", async () => {
        await start();
        expect(shown()).toMatchObject([
          { interface: "lo", program: "aether_ports", owner: "engine" },
          { interface: "up0", program: "aether_ports", owner: "engine" },
        ]);
        expect(xdp("unload", "lo").stderr).toContain("an engine's");
      });
    });
  },
);
