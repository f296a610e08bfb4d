/** Waiting until a function that was started can serve, and telling apart the ways in which that fails. */
import { AetherError } from "../../protocol/errors.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import type { InstanceExit } from "../lifecycle/driver.ts";
import { AF_INET, SOCK_STREAM } from "../../ffi/socket.ts";
import type { ListenAddress } from "../../ffi/socket.ts";
import { describeOwner, listeningPorts, ownerOf } from "../config/ports.ts";
import type { SandboxContext } from "./context.ts";
import type { Handshake } from "./handshake.ts";
import { encodeRequest, loopbackOf, probe } from "./probe.ts";
import type { SandboxInstance } from "./sandbox-instance.ts";

/** How often a starting function is looked at: first soon, then less often. Listening raises no event we could wait for. */
const pollFirstMs = 2;
const pollLastMs = 20;
/** A parent that makes a daemon of its child ends at once. */
const daemonGraceMs = 100;

/** What a starting instance is waited for with. */
export interface ReadyWait {
  readonly context: SandboxContext;
  readonly config: FunctionConfig;
  readonly instance: SandboxInstance;
  readonly handshake: Handshake | null;
  /** Last lines of output, for the error. */
  readonly lastOutput: () => readonly string[];
  /** Whether it has a network of its own, and is asked from inside; `reached`: at this address clients come in. */
  readonly ownNetwork: { readonly reached: string | null } | null;
}

const delay = (ms: number): Promise<null> => new Promise((resolve) => setTimeout(() => resolve(null), ms));

/**
 * Waits until the function can serve.
 * @throws AetherError AE_READY_TIMEOUT, AE_EARLY_EXIT, AE_OUT_OF_MEMORY, AE_HANDSHAKE_INVALID, AE_PORT_TAKEN, AE_WAKE_WRONG_PORT
 */
export async function waitUntilReady(wait: ReadyWait): Promise<void> {
  const deadline = wait.context.monotonic() + wait.config.readyTimeoutMs;
  // Ends the losers of the races below: a process that is gone must not be looked at until the time-out.
  const over = new AbortController();
  const exited = wait.instance.exited.then(async (exit) => {
    // A daemon it left behind may have had the port: once all of the sandbox is gone, who has it is a stranger.
    await wait.instance.sandbox.gone;
    throw exitError(wait, exit);
  });
  // The race takes the first outcome; a later one must not count as unhandled.
  exited.catch(() => undefined);
  try {
    if (wait.handshake !== null) await Promise.race([handshakeDone(wait, wait.handshake, deadline), exited]);
    const { triggerPort, ready } = wait.config;
    if (triggerPort === null) return;
    await Promise.race([portListens(wait, triggerPort, deadline, over.signal), exited]);
    if (ready.kind === "http") {
      await Promise.race([httpAnswers(wait, triggerPort, ready.path, deadline, over.signal), exited]);
    }
  } finally {
    over.abort();
  }
}

async function handshakeDone(wait: ReadyWait, handshake: Handshake, deadline: number): Promise<void> {
  const result = await Promise.race([
    handshake.result,
    delay(Math.max(0, deadline - wait.context.monotonic())),
  ]);
  if (result === null) throw timeoutError(wait, "it did not send READY on the handshake socket");
  if (result.ok) return;
  throw new AetherError("AE_HANDSHAKE_INVALID", `${wait.config.id}: the handshake failed`, {
    why: `${result.got} came over the handshake socket`,
    hint: "Send exactly the five bytes READY, without a line end, on the socket named by AETHER_SOCKET; or set `ready: port`.",
    data: { function: wait.config.id, got: result.got, output: wait.lastOutput() },
  });
}

async function portListens(
  wait: ReadyWait,
  port: number,
  deadline: number,
  over: AbortSignal,
): Promise<void> {
  for (let pauseMs = pollFirstMs; ; pauseMs = Math.min(pauseMs * 1.5, pollLastMs)) {
    const ports = wait.instance.listeningPorts();
    if (ports.includes(port)) {
      // A child that listens may be a daemon whose parent is just leaving: the exit decides the race if it comes.
      if (!wait.instance.firstProcessListens(port)) await delay(daemonGraceMs);
      const address = wait.ownNetwork?.reached ?? null;
      if (address !== null && !wait.instance.listenAddresses(port).some(isReached))
        throw loopbackError(wait.config, port, address);
      return;
    }
    if (wait.context.monotonic() > deadline) {
      const others = [...new Set(ports)];
      if (others.length > 0) throw wrongPortError(wait.config, port, others);
      throw takenError(wait, port) ?? timeoutError(wait, `it does not listen on port ${port}`);
    }
    await delay(pauseMs);
    if (over.aborted) return;
  }
}

async function httpAnswers(
  wait: ReadyWait,
  port: number,
  path: string,
  deadline: number,
  over: AbortSignal,
): Promise<void> {
  const request = encodeRequest({ method: "GET", path, headers: {}, body: null }, port);
  let last = "no answer";
  for (let pauseMs = pollFirstMs; ; pauseMs = Math.min(pauseMs * 1.5, pollLastMs * 5)) {
    const left = deadline - wait.context.monotonic();
    if (left <= 0) throw timeoutError(wait, `GET ${path}: ${last}`);
    const target = loopbackOf(wait.instance.listenAddresses(port), port);
    const socket =
      wait.ownNetwork !== null ? await wait.instance.sandbox.socket(target.family, SOCK_STREAM) : null;
    const result = await probe(wait.context.epoll, target, request, Math.min(left, 5_000), socket);
    if (result.ok && result.status !== null && result.status >= 200 && result.status < 300) return;
    // What it has answered says more than that the last try was cut off by the deadline.
    if (result.ok) last = `status ${result.status ?? "none"}`;
    else if (!last.startsWith("status")) last = result.why;
    await delay(pauseMs);
    if (over.aborted) return;
  }
}

function timeoutError(wait: ReadyWait, why: string): AetherError {
  return new AetherError(
    "AE_READY_TIMEOUT",
    `${wait.config.id}: not ready within ${wait.config.readyTimeoutMs} ms`,
    {
      why,
      hint:
        wait.config.ready.kind === "handshake"
          ? "Send READY on AETHER_SOCKET and then listen, or set `ready: port` for an unmodified server; `ready_timeout` gives it longer."
          : "Check that it listens on its trigger port; `ready_timeout` gives it longer.",
      data: { function: wait.config.id, timeoutMs: wait.config.readyTimeoutMs, output: wait.lastOutput() },
    },
  );
}

/** Whether clients from outside its network come in there: they come as IPv4. */
function isReached({ family, address, v6Only }: ListenAddress): boolean {
  if (family === AF_INET) return address[0] !== 127;
  return !v6Only && address.every((byte) => byte === 0);
}

function loopbackError(config: FunctionConfig, port: number, address: string): AetherError {
  return new AetherError("AE_WAKE_WRONG_PORT", `${config.id}: nobody would reach it where it listens`, {
    why: `it listens on port ${port} of its loopback or of IPv6 alone, and with network: private its clients come in at ${address}`,
    hint: "Let it listen on 0.0.0.0, or set network: shared.",
    data: { function: config.id, triggerPort: port, address, reason: "LoopbackOnly" },
  });
}

function wrongPortError(config: FunctionConfig, port: number, others: readonly number[]): AetherError {
  return new AetherError("AE_WAKE_WRONG_PORT", `${config.id}: it does not listen on its trigger port`, {
    why: `it listens on ${others.join(", ")}, and trigger_port is ${port}`,
    hint: `Set trigger_port: ${others[0] ?? port}, or let the program listen on the port given in AETHER_TRIGGER_PORT.`,
    data: { function: config.id, triggerPort: port, listensOn: others.map(String) },
  });
}

function takenError(wait: ReadyWait, port: number): AetherError | null {
  // Alone in its network, it finds no port taken, whoever has it in the machine's.
  if (wait.ownNetwork !== null) return null;
  const inodes = listeningPorts(wait.config.protocol).get(port);
  if (inodes === undefined || inodes.length === 0) return null;
  const owner = ownerOf(inodes);
  if (owner.pid === process.pid) return null; // A listener that the engine holds is no stranger.
  return new AetherError("AE_PORT_TAKEN", `${wait.config.id}: port ${port} belongs to another program`, {
    why: `${describeOwner(owner)} listens on it`,
    hint: "Stop that program, or give the function another trigger_port.",
    data: { function: wait.config.id, port, output: wait.lastOutput() },
  });
}

/** Why a function that ended before it was ready did so. */
function exitError(wait: ReadyWait, exit: InstanceExit): AetherError {
  const { config } = wait;
  const data = {
    function: config.id,
    exitCode: exit.exitCode,
    signal: exit.signal,
    output: wait.lastOutput(),
  };
  if (exit.outOfMemory) {
    return new AetherError(
      "AE_OUT_OF_MEMORY",
      `${config.id}: killed at its memory limit before it was ready`,
      {
        why: `memory_limit is ${config.memoryLimitBytes ?? 0} bytes`,
        hint: "Raise memory_limit.",
        data,
      },
    );
  }
  const taken = config.triggerPort === null ? null : takenError(wait, config.triggerPort);
  if (taken !== null) return taken;
  const how = exit.signal === null ? `with code ${exit.exitCode}` : `by ${exit.signal}`;
  const daemon = exit.exitCode === 0;
  return new AetherError("AE_EARLY_EXIT", `${config.id}: it ended ${how} before it was ready`, {
    why: wait.lastOutput().at(-1) ?? "it printed nothing",
    hint: daemon
      ? "A server must stay in the foreground: switch off its daemon mode (often `-f`, `--foreground`, `daemon off`)."
      : "Its last lines are in this error's data and in `aether logs`.",
    data: { ...data, daemonized: daemon },
  });
}
