/** Network interfaces of the caller's network namespace. */
import { readFileSync } from "node:fs";
import { libc } from "./libc.ts";

const cIndex = libc.func("uint if_nametoindex(const char*)");

/** Index of an interface; 0 when there is none of that name. */
export function interfaceIndex(name: string): number {
  return cIndex(name) as number;
}

/** Names of all interfaces, up or down. From proc: sysfs shows the namespace in which it was mounted. */
export function interfaceNames(): string[] {
  return readFileSync("/proc/thread-self/net/dev", "utf8")
    .split("\n")
    .flatMap((line) => /^\s*([^\s|][^\s]*?):/.exec(line)?.[1] ?? []);
}
