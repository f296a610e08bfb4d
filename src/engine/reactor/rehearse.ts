/**
 * A new version of a function proves itself while the former one serves: started in a network of its own, warmed, saved,
 * restored, and asked the same again. Nothing of it runs on; its image is what the function begins with.
 */
import { SOCK_STREAM } from "../../ffi/socket.ts";
import type { FunctionConfig } from "../../protocol/config.ts";
import { AetherError } from "../../protocol/errors.ts";
import { becomesQuiet } from "../lifecycle/begin.ts";
import { judgeTrial } from "../lifecycle/judge-trial.ts";
import type { FunctionCgroup } from "../sandbox/cgroups.ts";
import type { SandboxContext } from "../sandbox/context.ts";
import { SandboxDriver } from "../sandbox/sandbox-driver.ts";
import type { Image } from "../snapshot/image.ts";
import type { Gate } from "../wake/gate.ts";
import { warmUp } from "../wake/warm-up.ts";
import type { AnsweredRequest } from "../wake/warm-up.ts";
import { OutputTail } from "./output-tail.ts";

export interface RehearsalParts {
  readonly context: SandboxContext;
  readonly cgroup: FunctionCgroup;
  /** One image is proved at a time. */
  readonly proofs: Gate;
  notice(text: string): void;
}

/** Whether a new version has something to prove: requests that it must answer as before, and an image to answer from. */
export function mustProve(config: FunctionConfig): boolean {
  const { proveDeploy, warmup, start, triggerPort } = config;
  return proveDeploy && warmup.length > 0 && start === "snapshot" && triggerPort !== null;
}

/**
 * @returns the proven image
 * @throws AetherError of the family SandboxError; AE_DUMP_FAILED, AE_RESTORE_FAILED, AE_PROOF_FAILED, AE_LATENCY_VIOLATION
 */
export async function rehearse(config: FunctionConfig, parts: RehearsalParts): Promise<Image> {
  const tail = new OutputTail();
  const context: SandboxContext = {
    ...parts.context,
    output: (functionId, stream, chunk) => {
      tail.add(chunk);
      parts.context.output(functionId, stream, chunk);
    },
  };
  await using driver = new SandboxDriver(context, {
    config,
    cgroup: parts.cgroup,
    lastOutput: () => tail.lines(),
    rehearsal: true,
  });
  const { image, answered } = await save(context, driver, config);
  try {
    const trialMs = await parts.proofs.run(() => driver.prove(image, answered));
    return judgeTrial(config, image, trialMs, (text) => parts.notice(text));
  } catch (error) {
    context.discard(image.directory);
    throw error;
  }
}

async function save(
  context: SandboxContext,
  driver: SandboxDriver,
  config: FunctionConfig,
): Promise<{ readonly image: Image; readonly answered: readonly AnsweredRequest[] }> {
  const instance = await driver.start();
  try {
    const listeners = instance.takeListeners();
    const listens = listeners.map(({ address }) => address);
    for (const { fd } of listeners) fd.close();
    const { problem, answered } = await warmUp(context.epoll, config, listens, ({ family }) =>
      instance.sandbox.socket(family, SOCK_STREAM),
    );
    if (problem !== null) throw unanswered(config, problem);
    await becomesQuiet(instance);
    const { image } = await driver.snapshot(instance, listens);
    return { image, answered };
  } finally {
    await instance.kill();
  }
}

function unanswered(config: FunctionConfig, why: string): AetherError {
  return new AetherError(
    "AE_PROOF_FAILED",
    `${config.id}: its new version does not answer a warm-up request`,
    {
      why,
      hint: "It was tried in a network of its own, from which nothing outside is reached; `prove_deploy: false` replaces the running version at once.",
      data: { function: config.id, reason: "WarmUpFailed" },
    },
  );
}
