/** A cold start: a sandbox, the function's first process in it, and waiting until it can serve. */
import { openForWriting } from "../../ffi/fd.ts";
import type { Fd } from "../../ffi/fd.ts";
import type { InstanceRing } from "../ipc/instance-ring.ts";
import { setupError, spawnError } from "./driver-errors.ts";
import { functionCapabilities, functionEnvironment } from "./environment.ts";
import type { FunctionHome } from "./function-home.ts";
import { Handshake } from "./handshake.ts";
import { sandboxLayout } from "./layout.ts";
import { OutputPipes } from "./output.ts";
import { Sandbox } from "./sandbox.ts";
import { SandboxInstance } from "./sandbox-instance.ts";
import { waitUntilReady } from "./wait-until-ready.ts";

/** First process of a function: clear of init, of CRIU workers and of CRIU's helpers, so that clones never collide. */
const firstPid = 100;

/**
 * Starts the function and waits until it is ready.
 * @throws AetherError of the family SandboxError, AE_WAKE_WRONG_PORT; nothing is left then
 */
export async function startInstance(home: FunctionHome): Promise<SandboxInstance> {
  const { context, config } = home;
  const name = home.nextName();
  using handshake =
    config.ready.kind === "handshake"
      ? new Handshake(context.epoll, home.socketPath, config.user?.uid ?? 0)
      : null;
  const pipes = new OutputPipes(context, config.id);
  pipes.watch();
  let sandbox: Sandbox | null = null;
  let ring: InstanceRing | null = null;
  try {
    if (config.ring) ring = home.rings.make(name, null);
    sandbox = await makeSandbox(home, name, handshake);
    home.underWay = sandbox;
    const oomKills = home.cgroup.oomKills();
    const rootPid = await spawn(home, sandbox, pipes, ring);
    const instance = new SandboxInstance(context, {
      id: name,
      functionId: config.id,
      where: home.where,
      sandbox,
      pipes,
      cgroup: home.cgroup,
      rootPid,
      ring,
      heapFile: null,
      helperPid: null,
      oomKills,
    });
    try {
      await waitUntilReady({
        context,
        config,
        instance,
        handshake,
        lastOutput: home.lastOutput,
        ownNetwork: home.rehearsal ? { reached: null } : home.network && { reached: home.network.address },
      });
    } catch (error) {
      await instance.kill();
      throw error;
    }
    return instance;
  } catch (error) {
    sandbox?.kill();
    pipes[Symbol.dispose]();
    ring?.[Symbol.dispose]();
    throw error;
  } finally {
    home.underWay = null;
  }
}

async function makeSandbox(home: FunctionHome, name: string, handshake: Handshake | null): Promise<Sandbox> {
  const { context, config } = home;
  try {
    return await Sandbox.create(context.epoll, await context.launcher(), name, {
      network: home.rehearsal ? "new" : (home.network?.namespace ?? null),
      setup: sandboxLayout({
        sharedTmp: home.sharedTmp,
        folders: home.folders,
        handshakeSocket: handshake?.path ?? null,
        heapFile: null,
        privileged: config.privileged,
        privateNetwork: home.rehearsal,
      }),
    });
  } catch (error) {
    throw setupError(config.id, error);
  }
}

async function spawn(
  { config, cgroup }: FunctionHome,
  sandbox: Sandbox,
  pipes: OutputPipes,
  ring: InstanceRing | null,
): Promise<number> {
  using cleanup = new DisposableStack();
  const join: Fd[] = cgroup.procsFiles.map((path) => cleanup.use(openForWriting(path)));
  try {
    const { pid } = await sandbox.spawn({
      argv: [config.program, ...config.command.slice(1)],
      env: functionEnvironment(config),
      cwd: config.cwd,
      user: config.user,
      capabilities: config.privileged ? null : functionCapabilities,
      noNewPrivs: !config.privileged,
      ioUringGuard: true,
      lastPid: firstPid - 1,
      descriptors: [
        { number: 1, fd: pipes.stdout },
        { number: 2, fd: pipes.stderr },
        ...(ring?.memory.descriptors ?? []),
      ],
      join,
      hold: [],
      rpcSocket: null,
      oomScoreAdj: null,
    });
    pipes.closeWriteEnds();
    ring?.memory.closeTheirs();
    return pid;
  } catch (error) {
    throw spawnError(config, error);
  }
}
