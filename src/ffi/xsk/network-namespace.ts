/** Network namespaces: opening sockets in another one. Only the calling thread changes, and changes back. */
import { checked, libc } from "../libc.ts";
import { openForReading } from "../fd.ts";
import { XdpSocketError } from "./errors.ts";

const cSetns = libc.func("int setns(int, int)");
const cIfNameToIndex = libc.func("uint if_nametoindex(const char*)");

const CLONE_NEWNET = 0x4000_0000;

/** Runs `act` in a network namespace (a path, as /run/netns/NAME); null: in this one. It must not wait for anything. */
export function inNetworkNamespace<T>(path: string | null, act: () => T): T {
  if (path === null) return act();
  using home = openForReading("/proc/thread-self/ns/net");
  using other = openForReading(path);
  checked(cSetns(other.number, CLONE_NEWNET) as number, "setns", path);
  try {
    return act();
  } finally {
    checked(cSetns(home.number, CLONE_NEWNET) as number, "setns");
  }
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
