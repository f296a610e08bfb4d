/** Which capabilities this process has. */
import type { Check } from "./check.ts";
import { fail, ok } from "./check.ts";
import { readText } from "./read-text.ts";

/** Bit in CapEff, name, what for (include/uapi/linux/capability.h). CAP_SYS_ADMIN implies CAP_BPF and CAP_CHECKPOINT_RESTORE. */
const needed: readonly (readonly [number, string, string])[] = [
  [0, "CAP_CHOWN", "handshake sockets of other users"],
  [5, "CAP_KILL", "ending functions of other users"],
  [6, "CAP_SETGID", "functions of other users"],
  [7, "CAP_SETUID", "functions of other users"],
  [12, "CAP_NET_ADMIN", "held listeners and the network of sandboxes"],
  [19, "CAP_SYS_PTRACE", "snapshots"],
  [21, "CAP_SYS_ADMIN", "namespaces, mounts, snapshots and BPF programs"],
];

/** The needed capabilities that a /proc/PID/status text lacks. */
export function missingCapabilities(status: string): readonly string[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  return needed
    .filter(([bit]) => (effective & (1n << BigInt(bit))) === 0n)
    .map(([, name, use]) => `${name} (${use})`);
}

export const capabilitiesCheck: Check = {
  name: "capabilities",
  run() {
    const missing = missingCapabilities(readText("/proc/self/status") ?? "");
    const who = `user id ${process.getuid?.() ?? "unknown"}`;
    if (missing.length === 0) return ok(`${who} with all capabilities that are needed`);
    const inContainer = process.getuid?.() === 0;
    return fail(
      who,
      `missing: ${missing.join(", ")}`,
      inContainer
        ? "Run the container with --privileged, or add these capabilities."
        : "Run it as root, for example with sudo.",
    );
  },
};
