/** When a function goes to sleep, and what open connections have to say in that. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, nextChunk, open } from "../helpers/clients.ts";
import { TestEngine } from "../helpers/engine.ts";
import { errorsOf, pause, python } from "../helpers/observe.ts";

/** A speaks-first server: its connections stay open and talk. */
const server = { command: "/usr/bin/python3 server.py", ready: "port" } as const;

/** Its end, in order or by a reset. */
const closing = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });

describe("an idle function", () => {
  let engine: TestEngine;
  const ports: Record<string, number> = {};
  const sockets: Socket[] = [];

  beforeAll(async () => {
    const functions = [
      await python("both", "counter", { idle: { suspend_after: "200ms", snapshot_after: "600ms" } }),
      await python("frozen-only", "counter", { idle: { suspend_after: "150ms", snapshot_after: "never" } }),
      await python("snapshot-only", "counter", { idle: { suspend_after: "never", snapshot_after: "250ms" } }),
      await python("never", "counter", { idle: { suspend_after: "never", snapshot_after: "never" } }),
      await python("refuse", "speaks-first", {
        ...server,
        idle: { suspend_after: "150ms", snapshot_after: "300ms" },
      }),
      await python("ignore", "speaks-first", {
        ...server,
        idle: { suspend_after: "150ms", snapshot_after: "2s", ignore_open: true },
      }),
      await python("close", "speaks-first", { ...server, connections: "close" }),
      await python("keep", "speaks-first", { ...server, connections: "keep" }),
    ];
    for (const { id, trigger_port: port } of functions) ports[id] = port;
    engine = await TestEngine.start({ functions });
  });

  afterAll(async () => {
    for (const socket of sockets) socket.destroy();
    await engine[Symbol.asyncDispose]();
    expect(engine.leftovers()).toEqual([]);
  });

  const port = (id: string): number => ports[id] ?? 0;

  /** The steps of a function from an event on, as "Running -> Suspended (idle)". */
  const steps = (id: string, from: number): string[] =>
    engine.events
      .slice(from)
      .flatMap((event) =>
        event.type === "transition" && event.functionId === id
          ? [`${event.from} -> ${event.to} (${event.cause})`]
          : [],
      );

  /** Wall clock of the first step into a state after an event. */
  const stepAt = async (id: string, to: string, from: number): Promise<number> => {
    const event = await engine.waitFor(
      (event) => event.type === "transition" && event.functionId === id && event.to === to,
      `${id} to be ${to}`,
      10_000,
      from,
    );
    return event.atMs;
  };

  /** A connection to the talking server, greeted. */
  const connect = async (id: string): Promise<Socket> => {
    const socket = await open(port(id));
    sockets.push(socket);
    socket.on("error", () => undefined); // What becomes of it is asked for by the test.
    expect(await nextChunk(socket)).toBe("220 ready\r\n");
    return socket;
  };

  const echo = async (socket: Socket, text: string): Promise<void> => {
    socket.write(text);
    expect(await nextChunk(socket)).toBe(text);
  };

  const say = async (id: string): Promise<void> => {
    const socket = await connect(id);
    socket.end();
    await closing(socket);
  };

  it("is suspended and then saved, each after its declared time and not before", async () => {
    const id = "both";
    const from = engine.events.length;
    expect((await get(port(id))).body.trim()).toBe("1");
    const woken = await stepAt(id, "Running", from);
    const suspended = await stepAt(id, "Suspended", from);
    const saved = await stepAt(id, "WarmSnapshot", from);
    expect(suspended - woken).toBeGreaterThanOrEqual(199);
    expect(saved - woken).toBeGreaterThanOrEqual(599);
    expect(steps(id, from)).toEqual([
      "WarmSnapshot -> Running (connection)",
      "Running -> Suspended (idle)",
      "Suspended -> WarmSnapshot (idle)",
    ]);
    const again = engine.events.length;
    expect((await get(port(id))).body.trim()).toBe("2");
    // The view that the next test asks for may be a tenth of a second old, and still be of the sleep before this wake.
    await stepAt(id, "WarmSnapshot", again);
    expect(errorsOf(engine, id)).toEqual([]);
  });

  it("begins to count anew with every request", async () => {
    const id = "both";
    await engine.settled(id, "WarmSnapshot");
    const from = engine.events.length;
    let last = 0;
    for (let request = 0; request < 8; request++) {
      await get(port(id));
      last = Date.now();
      await pause(80);
    }
    const suspended = await stepAt(id, "Suspended", from);
    expect(suspended).toBeGreaterThanOrEqual(last + 199 - 5);
    expect(steps(id, from).slice(0, 2)).toEqual([
      "WarmSnapshot -> Running (connection)",
      "Running -> Suspended (idle)",
    ]);
  });

  it("stays frozen where no snapshot is wanted, and wakes from there", async () => {
    const id = "frozen-only";
    let from = engine.events.length;
    await get(port(id));
    await stepAt(id, "Suspended", from);
    await pause(500);
    expect((await engine.function(id)).state).toBe("Suspended");
    from = engine.events.length;
    expect((await get(port(id))).body.trim()).toBe("2");
    await stepAt(id, "Suspended", from);
    expect(steps(id, from)).toEqual(["Suspended -> Running (connection)", "Running -> Suspended (idle)"]);
  });

  it("is saved without being frozen before, where suspend_after is never", async () => {
    const id = "snapshot-only";
    const from = engine.events.length;
    await get(port(id));
    await stepAt(id, "WarmSnapshot", from);
    expect(steps(id, from)).toEqual([
      "WarmSnapshot -> Running (connection)",
      "Running -> WarmSnapshot (idle)",
    ]);
  });

  it("runs on where both are never", async () => {
    const id = "never";
    const from = engine.events.length;
    await get(port(id));
    await pause(1_500);
    expect(steps(id, from)).toEqual(["WarmSnapshot -> Running (connection)"]);
    expect((await engine.function(id)).state).toBe("Running");
  });

  it("is kept awake by an open connection, and sleeps after its end", async () => {
    const id = "refuse";
    await engine.settled(id, "WarmSnapshot");
    const from = engine.events.length;
    const socket = await connect(id);
    await pause(1_200);
    expect(steps(id, from)).toEqual(["WarmSnapshot -> Running (connection)"]);
    await echo(socket, "still there?\n");
    expect((await engine.function(id)).openConnections).toBe(1);
    const closed = Date.now();
    socket.end();
    await closing(socket);
    expect(await stepAt(id, "Suspended", from)).toBeGreaterThanOrEqual(closed + 145);
    await stepAt(id, "WarmSnapshot", from);
    expect((await engine.function(id)).openConnections).toBe(0);
    expect(errorsOf(engine, id)).toEqual([]);
  });

  it("with ignore_open is frozen over an open connection, and woken by its data", async () => {
    const id = "ignore";
    await engine.settled(id, "WarmSnapshot");
    let from = engine.events.length;
    const socket = await connect(id);
    await stepAt(id, "Suspended", from);
    from = engine.events.length;
    await echo(socket, "wake up\n");
    await stepAt(id, "Running", from);
    expect(steps(id, from)[0]).toBe("Suspended -> Running (data)");
    // Another client wakes it as ever, and the first one is still served.
    await stepAt(id, "Suspended", from);
    await say(id);
    await echo(socket, "and again\n");
    // The end of the connection is data too.
    from = engine.events.length;
    await stepAt(id, "Suspended", from);
    from = engine.events.length;
    socket.end();
    await closing(socket);
    await stepAt(id, "Running", from);
    expect(errorsOf(engine, id)).toEqual([]);
  });

  it("with ignore_open closes its connections cleanly before it is saved", async () => {
    const id = "ignore";
    await engine.settled(id, "WarmSnapshot", 15_000);
    const from = engine.events.length;
    const socket = await connect(id);
    const ended = once(socket, "end");
    const failed: unknown[] = [];
    socket.on("error", (error) => failed.push(error));
    await stepAt(id, "WarmSnapshot", from);
    await ended;
    expect(failed).toEqual([]);
    await say(id);
    expect(errorsOf(engine, id)).toEqual([]);
  });

  it("with connections: close is saved over open ones, whose clients are told", async () => {
    const id = "close";
    const socket = await connect(id);
    const closed = closing(socket);
    expect((await engine.action(id, "snapshot")).function.state).toBe("WarmSnapshot");
    socket.write("anybody there?\n");
    await closed;
    await say(id);
    await engine.action(id, "snapshot");
    expect(errorsOf(engine, id)).toEqual([]);
  });

  it("with connections: keep is saved with them, and they go on when it wakes", async () => {
    const id = "keep";
    const socket = await connect(id);
    await echo(socket, "one\n");
    // A packet for a connection whose process does not exist is answered by a reset, a late acknowledgement (40 ms) too.
    const silence = 150;
    for (const word of ["two\n", "three\n"]) {
      await pause(silence);
      expect((await engine.action(id, "snapshot")).function.state).toBe("WarmSnapshot");
      await engine.action(id, "wake");
      await echo(socket, word);
    }
    await say(id);
    await echo(socket, "four\n");
    await pause(silence);
    await engine.action(id, "snapshot");
    const closed = closing(socket);
    socket.write("not silent\n");
    await closed;
    await say(id);
    expect(errorsOf(engine, id)).toEqual([]);
  });
});
