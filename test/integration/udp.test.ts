/** UDP functions: what was sent to a sleeping one is answered by it, once, to whoever sent it. */
import { createSocket } from "node:dgram";
import type { Socket } from "node:dgram";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixture, freePort, TestEngine } from "../helpers/engine.ts";

const never = { suspend_after: "never", snapshot_after: "never" };

/** A client that keeps the answers it gets. */
class Client implements AsyncDisposable {
  readonly answers: string[] = [];
  /** Address and port from which they came. */
  readonly from = new Set<string>();
  readonly #socket: Socket;
  readonly #target: { readonly port: number; readonly host: string };

  private constructor(socket: Socket, port: number, host: string) {
    this.#socket = socket;
    this.#target = { port, host };
    socket.on("message", (data, { address, port: from }) => {
      this.answers.push(data.length > 100 ? `${data.length} bytes` : data.toString());
      this.from.add(`${address} ${from}`);
    });
  }

  static async open(port: number, host = "127.0.0.1"): Promise<Client> {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.bind(0);
    await once(socket, "listening");
    return new Client(socket, port, host);
  }

  send(data: string): void {
    this.#socket.send(data, this.#target.port, this.#target.host);
  }

  /** All answers, sorted, once there is one for each of so many: one more is asked and must come last. */
  async answered(count: number): Promise<readonly string[]> {
    await expect.poll(() => this.answers.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(count);
    this.send("the last one");
    await expect.poll(() => this.answers.at(-1), { timeout: 10_000 }).toBe("the last one");
    return this.answers.splice(0).slice(0, -1).toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, "close");
  }
}

const families = [
  ["v4", "127.0.0.1"],
  ["v6", "::1"],
  ["v6", "127.0.0.1"],
] as const;

describe("UDP functions", () => {
  let engine: TestEngine;
  const ports: Record<string, number> = {};
  const port = (id: string): number => ports[id] ?? 0;

  beforeAll(async () => {
    for (const id of ["v4", "v6", "golden", "lazy", "idle"]) ports[id] = await freePort();
    const echo = (id: string, more = {}) => ({
      id,
      command: "python3 server.py",
      cwd: fixture("udp-echo"),
      trigger_port: ports[id],
      protocol: "udp",
      ready: "port",
      idle: never,
      ...more,
    });
    engine = await TestEngine.start({
      functions: [
        echo("v4"),
        echo("v6", { env: { HOST: "::" } }),
        echo("golden", { sleep: "golden" }),
        echo("lazy", { start: "lazy" }),
        echo("idle", { idle: { suspend_after: "300ms", snapshot_after: "600ms" } }),
      ],
    });
  });

  afterAll(async () => {
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  it.each(families)(
    "%s, asked at %s: ten times asleep, ten times the first datagram is answered",
    async (id, host) => {
      for (let cycle = 0; cycle < 10; cycle++) {
        await engine.settled(id, "WarmSnapshot");
        await using client = await Client.open(port(id), host);
        client.send(`hello ${cycle}`);
        expect(await client.answered(1)).toEqual([`hello ${cycle}`]);
        expect([...client.from]).toEqual([`${host} ${port(id)}`]);
        await engine.settled(id, "Running");
        await engine.action(id, "snapshot");
      }
      expect((await engine.function(id)).lastError).toBeNull();
    },
  );

  it.each(families)(
    "%s, asked at %s: many datagrams of many clients, each answered once, to its sender",
    async (id, host) => {
      await engine.settled(id, "WarmSnapshot");
      await using cleanup = new AsyncDisposableStack();
      const clients: Client[] = [];
      for (let count = 0; count < 5; count++) clients.push(cleanup.use(await Client.open(port(id), host)));
      const words = clients.map((_, who) => Array.from({ length: 20 }, (__, n) => `${who}: ${n}`));
      for (const [who, client] of clients.entries()) for (const word of words[who] ?? []) client.send(word);
      for (const [who, client] of clients.entries())
        expect(await client.answered(20)).toEqual((words[who] ?? []).toSorted());
      await engine.settled(id, "Running");
      await engine.action(id, "snapshot");
    },
  );

  it("datagrams that come during the hand-over are answered too, none twice", async () => {
    for (let cycle = 0; cycle < 5; cycle++) {
      await using client = await Client.open(port("v4"));
      const sent: string[] = [];
      // Until well after it runs: before, during and after the hand-over.
      for (let after = 0; after < 30;) {
        const word = `${sent.length}`;
        sent.push(word);
        client.send(word);
        if (client.answers.length > 0) after += 1;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(await client.answered(sent.length)).toEqual(sent.toSorted());
      await engine.action("v4", "snapshot");
    }
  });

  it("the largest datagram and the empty one go through", async () => {
    await engine.settled("v4", "WarmSnapshot");
    await using client = await Client.open(port("v4"));
    client.send("x".repeat(65_507));
    client.send("");
    expect(await client.answered(2)).toEqual(["", "65507 bytes"]);
    await engine.action("v4", "snapshot");
  });

  it("a frozen one is thawed, a golden one restored, a lazy one started", async () => {
    await using frozen = await Client.open(port("v4"));
    await engine.action("v4", "wake");
    await engine.action("v4", "suspend");
    frozen.send("frozen");
    expect(await frozen.answered(1)).toEqual(["frozen"]);
    await using golden = await Client.open(port("golden"));
    for (const word of ["one", "two"]) {
      golden.send(word);
      await expect.poll(() => golden.answers).toContain(word);
      await engine.action("golden", "snapshot");
    }
    await using lazy = await Client.open(port("lazy"));
    lazy.send("first");
    lazy.send("second");
    expect(await lazy.answered(2)).toEqual(["first", "second"]);
    expect((await engine.function("lazy")).coldStarts).toBe(1);
  });

  it("killed, it is started cold by the next datagram, which it answers", async () => {
    await using client = await Client.open(port("golden"));
    await engine.action("golden", "kill");
    client.send("after the kill");
    expect(await client.answered(1)).toEqual(["after the kill"]);
  });

  it("sleeps when nobody has sent anything for long enough", async () => {
    await using client = await Client.open(port("idle"));
    client.send("hello");
    expect(await client.answered(1)).toEqual(["hello"]);
    await engine.settled("idle", "WarmSnapshot");
    client.send("again");
    expect(await client.answered(1)).toEqual(["again"]);
  });
});
