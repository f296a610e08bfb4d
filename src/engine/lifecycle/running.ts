/** A function enters or leaves the state Running: its listeners are taken, its idle time is watched, its end is noticed. */
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import type { FunctionCore } from "./function-core.ts";
import type { Instance, InstanceExit } from "./driver.ts";
import { openPorts } from "./ports.ts";

/** The instance is the function's from now on; its exit is noticed whenever it comes. */
export function adopt(core: FunctionCore, instance: Instance): void {
  core.instance = instance;
  instance.exited
    .then((exit) => instanceEnded(core, instance, exit))
    .catch((error: unknown) => core.report(toAetherError(error)));
}

/** Takes duplicates of the instance's listening sockets, so that its port outlives it. */
export function holdListeners(core: FunctionCore, instance: Instance): void {
  const listeners = instance.takeListeners();
  if (listeners.length > 0) core.held.hold(listeners);
  const { triggerPort } = core.config;
  if (triggerPort === null || listeners.some(({ port }) => port === triggerPort)) return;
  core.report(
    new AetherError(
      "AE_WAKE_LISTENER_LOST",
      `${core.id}: the listening socket of port ${triggerPort} was not found`,
      {
        why: "the process has closed it, or listens elsewhere",
        hint: "Without it the function cannot be woken by a connection; see docs/troubleshooting.md.",
        data: { function: core.id, port: triggerPort },
      },
    ),
  );
}

/** Starts the idle clock. `since` is the last activity known: the wake. */
export function watchIdle(core: FunctionCore, suspended: boolean, since: number): void {
  if (core.closing) return;
  core.idle.start(core.config.idle, core.held.ports, suspended, since, (decision) =>
    core.reactions.idle(decision),
  );
}

/** Watches the held listeners, after a pause when the function is backing off. */
export function awaitConnection(core: FunctionCore, waitMs: number): void {
  clearTimeout(core.backoffTimer);
  if (core.machine.activity === "backoff") core.machine.setActivity(null);
  if (core.closing) return;
  if (core.instance === null && core.held.isEmpty) reopenPorts(core);
  if (waitMs <= 0) {
    return core.held.watch(core.config.wakeOn, (cause) => core.reactions.connection(cause));
  }
  core.machine.setActivity("backoff");
  core.backoffTimer = setTimeout(() => awaitConnection(core, 0), waitMs);
}

/** A process that dies between hand-over and duplicate takes its listeners along: the ports are opened anew. */
function reopenPorts(core: FunctionCore): void {
  try {
    openPorts(core);
  } catch (error) {
    core.report(toAetherError(error));
  }
}

function instanceEnded(core: FunctionCore, instance: Instance, exit: InstanceExit): void {
  if (core.instance !== instance) return;
  // What we end ourselves is told by the step it belongs to.
  if (core.ending) return;
  core.exits += 1;
  core.around.emit({
    type: "exit",
    functionId: core.id,
    instance: instance.id,
    expected: false,
    ...exitFields(exit),
  });
  core.instance = null;
  core.idle.stop();
  core.connections[Symbol.dispose]();
  core.machine.instanceGone(core.image !== null);
  if (exit.outOfMemory) core.report(outOfMemory(core));
  const waitMs = core.backoff.ended(core.around.now() - instance.startedAtMs);
  if (core.backoff.failures > 1) core.report(crashLoop(core, exit, waitMs));
  awaitConnection(core, waitMs);
  core.reactions.asleep();
}

function exitFields(exit: InstanceExit): { pid: number; exitCode: number | null; signal: string | null } {
  return { pid: exit.pid, exitCode: exit.exitCode, signal: exit.signal };
}

function outOfMemory(core: FunctionCore): AetherError {
  return new AetherError("AE_OUT_OF_MEMORY", `${core.id}: killed at its memory limit`, {
    why: `memory_limit is ${core.config.memoryLimitBytes ?? 0} bytes`,
    hint: "Raise memory_limit, or look for a leak: `aether stats` shows its memory over time.",
    data: { function: core.id, limitBytes: core.config.memoryLimitBytes },
  });
}

function crashLoop(core: FunctionCore, exit: InstanceExit, waitMs: number): AetherError {
  const how = exit.signal === null ? `with code ${exit.exitCode}` : `by ${exit.signal}`;
  return new AetherError(
    "AE_CRASH_LOOP",
    `${core.id}: it ended ${how}, ${core.backoff.failures} times in a row`,
    {
      why: "an instance that lives less than 10 s counts as a failed start",
      hint: `Connections wait ${waitMs} ms until the next start. Its last lines: \`aether logs ${core.id}\`.`,
      data: { function: core.id, failures: core.backoff.failures, waitMs },
    },
  );
}

/** Ends the instance on purpose. */
export async function endInstance(
  core: FunctionCore,
  how: (instance: Instance) => Promise<void>,
): Promise<void> {
  const instance = core.instance;
  if (instance === null) return;
  core.idle.stop();
  core.connections[Symbol.dispose]();
  core.ending = true;
  try {
    await how(instance);
  } finally {
    core.instance = null;
    core.ending = false;
  }
}
