/** Whether CRIU works here: asked once at the start, inside a sandbox, which also fills its cache of kernel features. */
import { rmSync } from "node:fs";
import { makePipe } from "../../ffi/fd.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { SandboxContext } from "../sandbox/context.ts";
import { ownProgram, SandboxSetup, Sandbox } from "../sandbox/sandbox.ts";
import { explainCriuFailure } from "./criu-failure.ts";

const checkDeadlineMs = 20_000;

/** @throws AetherError AE_CRIU_UNAVAILABLE with the first error line of `criu check` */
export async function checkCriu(context: SandboxContext): Promise<void> {
  // Left by a CRIU that was killed while it wrote its cache; it would keep every later one from writing it.
  rmSync("/run/criu.kdat.tmp", { force: true });
  using sandbox = await Sandbox.create(context.epoll, await context.launcher(), "criu-check", {
    network: null,
    setup: new SandboxSetup().mount("proc", "proc", "/proc"),
  });
  const pipe = makePipe();
  using _read = pipe.read;
  const { pid } = await sandbox.spawn({
    ...ownProgram,
    argv: [context.criu.binary, "--no-default-config", "check"],
    env: context.criu.env,
    descriptors: [
      { number: 1, fd: pipe.write },
      { number: 2, fd: pipe.write },
    ],
  });
  pipe.write.close();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), checkDeadlineMs);
  });
  const status = await Promise.race([sandbox.exitOf(pid), late]);
  clearTimeout(timer);
  if (status?.exitCode === 0) return;
  const buffer = new Uint8Array(65_536);
  const output = Buffer.from(buffer.subarray(0, pipe.read.read(buffer) ?? 0)).toString("utf8");
  const found = explainCriuFailure(output, status === null ? `no answer within ${checkDeadlineMs} ms` : null);
  throw new AetherError("AE_CRIU_UNAVAILABLE", `CRIU ${context.criu.version} does not work on this machine`, {
    why: found.why,
    hint:
      found.reason === "Unknown" ? "Run `aether doctor`; CRIU 4.2 or newer is needed, as root." : found.hint,
    data: { binary: context.criu.binary, version: context.criu.version, criu: found.line },
  });
}
