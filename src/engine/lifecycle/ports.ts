/** Ports opened by the engine itself: where no process has a listener that could be duplicated. */
import { existsSync } from "node:fs";
import { AF_INET, AF_INET6, anyAddress } from "../../ffi/socket.ts";
import type { ListenAddress } from "../../ffi/socket.ts";
import { listensOf } from "../snapshot/image.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { FunctionCore } from "./function-core.ts";

/** Opens every port of the function: where its image listened, else its trigger port on any address. Throws AE_PORT_TAKEN. */
export function openPorts(core: FunctionCore): void {
  const listens = core.image === null ? [] : listensOf(core.image.manifest);
  // Of the version that it replaces it may have some already, with clients queued on them.
  const held = new Set(core.held.ports);
  for (const address of listens) if (!held.has(address.port)) openPort(core, address);
  const { triggerPort } = core.config;
  // Which family the function will listen on is not known yet; clients on the other one are relayed once it is. Into a
  // network of its own only IPv4 leads.
  const family = core.network === null && existsSync("/proc/net/if_inet6") ? AF_INET6 : AF_INET;
  if (listens.length === 0 && triggerPort !== null && !held.has(triggerPort))
    openPort(core, anyAddress(family, triggerPort));
}

function openPort(core: FunctionCore, address: ListenAddress): void {
  const { port } = address;
  try {
    core.held.openPlaceholder(address);
  } catch (error) {
    throw new AetherError("AE_PORT_TAKEN", `${core.id}: port ${port} cannot be opened`, {
      why: error instanceof Error ? error.message : String(error),
      hint: "Stop the program that listens on it, or give the function another trigger_port.",
      data: { function: core.id, port },
      cause: error,
    });
  }
}
