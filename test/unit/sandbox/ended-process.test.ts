import { expect, test } from "vitest";
import { listeningPortsOf } from "../../../src/engine/sandbox/listeners.ts";

/** A server that made a daemon of its child and left was reported as "pidfd_open(0): EINVAL", an internal error, now and then. */
test("a process that is gone listens nowhere, and asking is no error", () => {
  for (const protocol of ["tcp", "udp"] as const)
    expect(listeningPortsOf([0], { protocol, port: 8000 })).toEqual([]);
});
