/** Where an AF_XDP socket is opened: a network namespace, and an interface in it. */
import { libc } from "../libc.ts";
import { inNetns } from "../netns.ts";
import { XdpSocketError } from "./errors.ts";

const cIfNameToIndex = libc.func("uint if_nametoindex(const char*)");

/** Runs `act` in a network namespace (a path, as /run/netns/NAME); null: in this one. It must not wait for anything. */
export function inNetworkNamespace<T>(path: string | null, act: () => T): T {
  return path === null ? act() : inNetns(path, act);
}

/** Index of an interface in the thread's namespace. @throws XdpSocketError NoDevice */
export function interfaceIndex(device: string): number {
  const index = cIfNameToIndex(device) as number;
  if (index !== 0) return index;
  throw new XdpSocketError("NoDevice", `there is no interface ${device}`, {
    hint: "See `ip link`. It may be in another network namespace.",
    data: { device },
  });
}
