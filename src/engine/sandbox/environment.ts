/** What a function inherits from the engine's environment, its capabilities, and what Aether adds. */
import { homedir } from "node:os";
import type { FunctionConfig } from "../../protocol/config.ts";
import { ringEnvironment } from "../ipc/ring-memory.ts";
import { packagePaths } from "../package-paths.ts";
import { handshakePath } from "./layout.ts";

/** Taken over from the engine; anything else must be declared, so that secrets of the shell do not leak into images. */
const inherited = ["PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ"] as const;

/** The environment of a function. Declared values win over inherited ones, Aether's own win over all. */
export function functionEnvironment(config: FunctionConfig): Record<string, string> {
  const env: Record<string, string> = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  };
  for (const name of inherited) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  env["HOME"] = config.user === null ? homedir() : "/tmp";
  Object.assign(env, config.env);
  env["AETHER_FUNCTION_ID"] = config.id;
  if (config.triggerPort !== null) env["AETHER_TRIGGER_PORT"] = String(config.triggerPort);
  if (config.ready.kind === "handshake") env["AETHER_SOCKET"] = handshakePath;
  if (config.ring) {
    env["AETHER_RING"] = ringEnvironment;
    // The SDK that fits this engine, unless the function brings its own further up.
    const sdk = `${packagePaths.root}/sdk/python`;
    env["PYTHONPATH"] = env["PYTHONPATH"] === undefined ? sdk : `${env["PYTHONPATH"]}:${sdk}`;
  }
  if (config.handler !== null) {
    env["AETHER_TIMEOUT_MS"] = String(config.handler.timeoutMs);
    env["AETHER_BODY_LIMIT"] = String(config.handler.bodyLimitBytes);
    env["AETHER_CONCURRENCY"] = String(config.handler.concurrency);
    if (config.memoryLimitBytes !== null)
      env["AETHER_MEMORY_LIMIT_MB"] = String(Math.floor(config.memoryLimitBytes / 1024 / 1024));
  }
  return env;
}

/**
 * Capabilities of an unprivileged function (capability.h): what servers that start as root and drop to a user need,
 * nothing that reaches the kernel or other processes.
 */
export const functionCapabilities: bigint = [
  0, // CAP_CHOWN
  1, // CAP_DAC_OVERRIDE
  3, // CAP_FOWNER
  4, // CAP_FSETID
  5, // CAP_KILL
  6, // CAP_SETGID
  7, // CAP_SETUID
  10, // CAP_NET_BIND_SERVICE
  18, // CAP_SYS_CHROOT
].reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n);
