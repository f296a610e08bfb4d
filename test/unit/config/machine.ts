/** A machine whose facts the tests choose; programs and folders are the real ones. */
import { fileURLToPath } from "node:url";
import type { Machine } from "../../../src/engine/config/machine.ts";

export const testMachine: Machine = {
  memoryBytes: 16 * 1024 ** 3,
  swapBytes: 0,
  cores: 2,
  path: "/usr/local/bin:/usr/bin:/bin",
  self: { uid: 0, gid: 0, groups: [0], name: "root" },
  users: {
    passwd:
      "root:x:0:0:root:/root:/bin/sh\nworker:x:1234:1235::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n",
    group: "root:x:0:\nworkers:x:1235:\nextra:x:77:someone,worker\nnogroup:x:65534:\n",
  },
};

export const options = { checkPorts: false, ownPorts: new Set<number>(), machine: testMachine };

/** A path in the repository. */
export const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
