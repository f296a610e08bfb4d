/** Functions with `network: private`: real instances in namespaces of their own answer through the data plane. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { interfaceNames } from "../../src/ffi/interfaces.ts";
import { inNetns } from "../../src/ffi/netns.ts";
import { Actor } from "../helpers/actor.ts";
import { aether } from "../helpers/command-line.ts";
import { fixture, repository, TestEngine } from "../helpers/engine.ts";
import type { Declaration } from "../helpers/engine.ts";
import { connectHosts, sh } from "../helpers/two-hosts.ts";

const missing =
  process.getuid?.() !== 0
    ? "no root"
    : existsSync(join(repository, "build/bpf/xdp.bpf.o"))
      ? null
      : "build/bpf is not built: npm run setup";

const never = { suspend_after: "never", snapshot_after: "never" };
const privately = { network: "private", ready: "port", idle: never };
const [counterPort, echoPort, udpPort, threePort, lazyPort, idlePort, insidePort] = [
  8080, 8081, 8082, 8083, 8084, 8085, 8086,
];
const functions: readonly Declaration[] = [
  {
    ...privately,
    id: "counter",
    command: "python3 handler.py",
    cwd: fixture("counter"),
    ready: "handshake",
    trigger_port: counterPort,
  },
  {
    ...privately,
    id: "echo",
    command: "python3 echo.py",
    cwd: fixture("tcp-echo"),
    trigger_port: echoPort,
    start: "running",
  },
  {
    ...privately,
    id: "udp",
    command: "python3 server.py",
    cwd: fixture("udp-echo"),
    protocol: "udp",
    trigger_port: udpPort,
  },
  {
    ...privately,
    id: "three",
    command: "python3 handler.py",
    cwd: fixture("counter"),
    ready: "handshake",
    trigger_port: threePort,
    instances: 3,
    start: "lazy",
  },
  {
    ...privately,
    id: "lazy",
    command: "python3 -m http.server 8084",
    cwd: fixture("unmodified"),
    trigger_port: lazyPort,
    start: "lazy",
  },
  {
    ...privately,
    id: "idle",
    command: "python3 handler.py",
    cwd: fixture("counter"),
    ready: "handshake",
    trigger_port: idlePort,
    start: "running",
    idle: { suspend_after: "200ms", snapshot_after: "400ms" },
  },
  {
    ...privately,
    id: "inside",
    command: `python3 -m http.server -b 127.0.0.1 ${insidePort}`,
    cwd: fixture("unmodified"),
    trigger_port: insidePort,
    start: "running",
  },
];

/** What a client's program has at hand. */
const clientTools = `
import hashlib
def get(host, port, timeout=20):
    c = socket.create_connection((host, port), timeout); c.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); data = b""
    while True:
        more = c.recv(65536)
        if not more: break
        data += more
    c.close(); return data.decode()
def body(answer): return answer.split("\\r\\n\\r\\n", 1)[1].strip()
def bulk(host, port, size):
    import threading
    c = socket.create_connection((host, port), 20); sent = bytes(range(251)) * (size // 251); got = bytearray()
    def send(): c.sendall(sent); c.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=send); t.start()
    while True:
        more = c.recv(1 << 20)
        if not more: break
        got += more
    t.join(); c.close(); return bytes(got) == sent
def datagrams(host, port, sizes):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10); s.connect((host, port)); good = []
    for size in sizes:
        s.send(bytes(size)); good.append(len(s.recv(70000)))
    s.close(); return good
`;

describe.skipIf(missing !== null)(
  `functions with a network of their own${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    let host: Actor;
    let client: Actor;
    let engine: TestEngine;

    const inHost = <T>(work: () => T): T => inNetns(`/proc/${host.pid}/ns/net`, work);
    const veths = (): string[] => inHost(interfaceNames).filter((name) => name.startsWith("ae"));
    const settings = { data_plane: { interfaces: ["lo", "up0"], mode: "generic" } };

    beforeAll(async () => {
      host = new Actor(null, true);
      client = new Actor(null);
      await connectHosts(host, client);
      await client.run(clientTools);
      await host.run(clientTools);
      engine = await TestEngine.start({ functions, engine: settings, neighbour: host.pid });
    }, 60_000);

    afterAll(async () => {
      await engine.stop();
      expect(veths()).toEqual([]);
      await engine[Symbol.asyncDispose]();
      await Promise.all([host, client].map((actor) => actor.end()));
      expect(engine.leftovers()).toEqual([]);
    });

    const everybody = (): [string, Actor, string][] => [
      ["another machine", client, "10.7.0.1"],
      ["this machine by 127.0.0.1", host, "127.0.0.1"],
      ["this machine by its own address", host, "10.7.0.1"],
    ];

    it("each has an address and a namespace of its own, and the port map leads there", async () => {
      const { engine: view } = await engine.state();
      const echo = await engine.function("echo");
      const address = echo.instances[0]?.address ?? "";
      expect(address).toMatch(/^10\.213\./);
      expect(view.dataPlane?.ports).toContainEqual({
        port: echoPort,
        pid: echo.instances[0]?.pid,
        address,
      });
      expect(veths()).toHaveLength(9);
      expect(await host.run(`result = os.stat("/proc/${echo.instances[0]?.pid}/ns/net").st_ino`)).not.toBe(
        await host.run(`result = os.stat("/proc/self/ns/net").st_ino`),
      );
    });

    it("asleep, it is woken by a connection from wherever it comes, and keeps its memory", async () => {
      let count = 0;
      for (const [whence, actor, address] of everybody()) {
        await engine.settled("counter", "WarmSnapshot");
        count += 1;
        expect(await actor.run(`result = body(get("${address}", ${counterPort}))`), whence).toBe(`${count}`);
        await engine.settled("counter", "Running");
        await engine.action("counter", "snapshot");
      }
      for (const [whence, actor, address] of everybody()) {
        await engine.action("counter", "wake").catch(() => undefined); // It may run already.
        await engine.action("counter", "suspend");
        count += 1;
        expect(await actor.run(`result = body(get("${address}", ${counterPort}))`), whence).toBe(`${count}`);
        await engine.settled("counter", "Running");
      }
      expect((await engine.function("counter")).coldStarts).toBe(1);
    });

    it("fifty clients at once wake it, and each is answered once", async () => {
      await engine.settled("counter", "Running");
      await engine.action("counter", "snapshot");
      const before = (await engine.function("counter")).wakes;
      const answers = await client.run(`
import concurrent.futures
with concurrent.futures.ThreadPoolExecutor(50) as pool:
    result = sorted(int(body(a)) for a in pool.map(lambda _: get("10.7.0.1", ${counterPort}), range(50)))`);
      expect(answers).toEqual(Array.from({ length: 50 }, (_, index) => index + 7));
      await expect.poll(async () => (await engine.function("counter")).wakes).toBe(before + 1);
    });

    it("megabytes go through both ways, whoever asks", async () => {
      for (const [whence, actor, address] of everybody())
        expect(await actor.run(`result = bulk("${address}", ${echoPort}, 20_000_000)`), whence).toBe(true);
    });

    it("datagrams are answered, also the first of a sleeping one", async () => {
      for (const [whence, actor, address] of everybody()) {
        await engine.settled("udp", "WarmSnapshot");
        expect(await actor.run(`result = datagrams("${address}", ${udpPort}, [1, 0, 1400])`), whence).toEqual(
          [1, 0, 1400],
        );
        await engine.action("udp", "snapshot");
      }
      expect(await host.run(`result = datagrams("127.0.0.1", ${udpPort}, [65000])`)).toEqual([65_000]);
    });

    it("a lazy one is started by its first client", async () => {
      expect(await client.run(`result = get("10.7.0.1", ${lazyPort})`)).toContain("An unmodified server");
      await engine.action("lazy", "kill");
      expect(await host.run(`result = get("127.0.0.1", ${lazyPort})`)).toContain("An unmodified server");
    });

    it("one that dies is started again by the next client", async () => {
      const { instances } = await engine.function("echo");
      await host.run(`os.kill(${instances[0]?.pid}, 9)`);
      await engine.settled("echo", "Uninitialized");
      expect(await client.run(`result = bulk("10.7.0.1", ${echoPort}, 1_000_000)`)).toBe(true);
      // The client is served before the engine's view of it is published.
      await expect
        .poll(async () => (await engine.function("echo")).instances[0]?.address)
        .toBe(instances[0]?.address);
    });

    it("several instances share the clients, each asleep until its own come", async () => {
      expect((await engine.function("three")).instances).toEqual([]);
      // One connection: one of the three wakes.
      await client.run(`get("10.7.0.1", ${threePort})`);
      await engine.settled("three", "Running");
      expect((await engine.function("three")).instances).toHaveLength(1);
      const counts = (await client.run(
        `result = [int(body(get("10.7.0.1", ${threePort}))) for _ in range(60)]`,
      )) as number[];
      await expect.poll(async () => (await engine.function("three")).instances.length).toBe(3);
      const view = await engine.function("three");
      expect(new Set(view.instances.map(({ address }) => address)).size).toBe(3);
      expect(view.instances.map(({ id }) => id.replace(/-\d+$/, "")).toSorted()).toEqual([
        "three",
        "three~2",
        "three~3",
      ]);
      // Each counts its own: the last figures of all three add up to the requests.
      expect(Math.max(...counts)).toBeLessThan(50);
      expect(view.wakes).toBe(3);
      await engine.action("three", "snapshot");
      await engine.settled("three", "WarmSnapshot");
      const again = (await client.run(
        `result = [int(body(get("10.7.0.1", ${threePort}))) for _ in range(30)]`,
      )) as number[];
      // Their memory was kept: 61 requests were before.
      expect(Math.max(...again)).toBeGreaterThan(61 / 3);
      await expect.poll(async () => (await engine.function("three")).coldStarts).toBe(3);
    });

    it("a connection stays with its instance while others sleep, wake and are restored", async () => {
      await client.run(`
k = [socket.create_connection(("10.7.0.1", ${echoPort}), 20) for _ in range(5)]
for c in k: c.sendall(b"a"); assert c.recv(10) == b"a"`);
      await engine.action("counter", "wake").catch(() => undefined); // It may run already.
      await engine.action("counter", "snapshot");
      expect(
        await client.run(`
result = []
for c in k: c.sendall(b"b"); result.append(c.recv(10).decode()); c.close()`),
      ).toEqual(["b", "b", "b", "b", "b"]);
    });

    it("falls asleep when nobody is connected, and not before", async () => {
      await engine.settled("idle", "WarmSnapshot");
      await client.run(`k = socket.create_connection(("10.7.0.1", ${idlePort}), 20)`);
      await engine.settled("idle", "Running");
      expect((await engine.function("idle")).openConnections).toBe(1);
      await client.run(`k.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n"); assert k.recv(1000); k.close()`);
      await engine.settled("idle", "WarmSnapshot");
      expect((await engine.function("idle")).openConnections).toBe(0);
    });

    it("one that listens on its loopback alone is told so", async () => {
      const { lastError, state } = await engine.function("inside");
      expect(state).toBe("Uninitialized");
      expect(lastError).toMatchObject({ code: "AE_WAKE_WRONG_PORT", data: { reason: "LoopbackOnly" } });
    });

    it("its own address reaches it from this machine; another instance does not reach it by the machine's", async () => {
      const { instances } = await engine.function("echo");
      const [one] = instances;
      expect(await host.run(`result = bulk("${one?.address}", ${echoPort}, 1_000_000)`)).toBe(true);
      const inside = new Actor({ pid: one?.pid ?? 0 } as Actor);
      try {
        await expect(inside.run(`client(${counterPort}, host="10.7.0.1")`)).rejects.toThrow("ECONNREFUSED");
      } finally {
        await inside.end();
      }
    });

    it("started anew by order, it has the same address and forgets what it knew", async () => {
      const address = (await engine.state()).engine.dataPlane?.ports.find(
        ({ port }) => port === counterPort,
      )?.address;
      const { function: view } = await engine.action("counter", "restart");
      expect(view.state).toBe("WarmSnapshot");
      expect(await client.run(`result = body(get("10.7.0.1", ${counterPort}))`)).toBe("1");
      expect((await engine.settled("counter", "Running")).instances[0]?.address).toBe(address);
    });

    it("is invoked at its own address, whatever the data plane's interfaces", async () => {
      const { stdout } = await aether(["--engine", engine.name, "invoke", "counter"], { env: engine.env });
      expect(stdout).toContain("2");
    });

    it("who is not led there is refused at once: IPv6, and no other program gets the port", async () => {
      const refused = `
try: socket.create_connection(("::1", ${echoPort}), 5); result = "connected"
except OSError as error: result = errno.errorcode[error.errno]`;
      expect(await host.run(refused)).toBe("ECONNREFUSED");
      await expect(host.run(`listen(${echoPort}, host="0.0.0.0", reuse=False)`)).rejects.toThrow(
        "EADDRINUSE",
      );
    });

    it("an instance reaches this machine's servers by its gateway, and not what listens on loopback alone", async () => {
      const { instances } = await engine.function("echo");
      const inside = new Actor({ pid: instances[0]?.pid ?? 0 } as Actor);
      try {
        await host.run(`l = listen(9000, host="0.0.0.0"); m = listen(9001)`);
        const gateway = (instances[0]?.address ?? "").replace(/\.\d+$/, ".1");
        await inside.run(`client(9000, host="${gateway}")`);
        await inside.run(
          sh("ip route add 127.0.0.2 via ${gateway} table main || true".replace("${gateway}", gateway)),
        );
        await expect(inside.run(`client(9001, host="${gateway}")`)).rejects.toThrow("ECONNREFUSED");
      } finally {
        await inside.end();
      }
    });

    it("a reload changes the number of instances, keeps the addresses, and removes what is not declared", async () => {
      const before = await engine.function("echo");
      const next = functions
        .filter(({ id }) => id !== "lazy" && id !== "inside")
        .map((entry) => (entry.id === "three" ? { ...entry, instances: 2 } : entry))
        .map((entry) => (entry.id === "echo" ? { ...entry, env: { CHANGED: "1" } } : entry));
      engine.rewrite(next, settings);
      await engine.waitFor((event) => event.type === "reload", "the reload", 20_000);
      expect(veths()).toHaveLength(6);
      expect(await client.run(`result = bulk("10.7.0.1", ${echoPort}, 1_000_000)`)).toBe(true);
      await expect
        .poll(async () => (await engine.function("echo")).instances[0]?.address)
        .toBe(before.instances[0]?.address);
      await client.run(`[get("10.7.0.1", ${threePort}) for _ in range(20)]`);
      await expect.poll(async () => (await engine.function("three")).instances.length).toBe(2);
    });

    it("killed, the engine leaves no interface, and the next one starts and serves", async () => {
      engine.child.kill("SIGKILL");
      await engine.exited;
      await expect.poll(veths, { timeout: 10_000 }).toEqual([]);
      expect(
        readdirSync("/run/netns", { withFileTypes: true }).filter(({ name }) => name.startsWith("ae")),
      ).toEqual([]);
      const next = await TestEngine.start({
        functions: functions.slice(0, 2),
        engine: settings,
        neighbour: host.pid,
        after: engine,
      });
      engine = next;
      expect(await client.run(`result = bulk("10.7.0.1", ${echoPort}, 1_000_000)`)).toBe(true);
    });
  },
);
