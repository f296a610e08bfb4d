/** Where the cgroup hierarchies are, by mount tables as they are found on real machines, and where memory is limited. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryV1 } from "../../src/engine/sandbox/cgroup-memory.ts";
import { detectCgroups } from "../../src/engine/sandbox/cgroup-mounts.ts";
import { placeMemory } from "../../src/engine/sandbox/cgroup-placement.ts";

const other = `23 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro
`;

const at = (path: string, writable = true): { path: string; writable: boolean } => ({ path, writable });
const noV1 = { memory: null, freezer: null, pids: null };

describe("detectCgroups", () => {
  it("hybrid: v1 controllers, v2 without any at unified", () => {
    const table = `${other}31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`;
    expect(detectCgroups(table)).toEqual({
      v2: at("/sys/fs/cgroup/unified"),
      v1: {
        memory: at("/sys/fs/cgroup/memory"),
        freezer: at("/sys/fs/cgroup/freezer"),
        pids: at("/sys/fs/cgroup/pids"),
      },
    });
  });

  it("systemd on pure v2", () => {
    const table = `${other}27 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
`;
    expect(detectCgroups(table)).toEqual({ v2: at("/sys/fs/cgroup"), v1: noV1 });
  });

  it("Docker with v2: read-only unless privileged", () => {
    const table = (mode: string): string =>
      `${other}1037 1036 0:27 / /sys/fs/cgroup ${mode},nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n`;
    expect(detectCgroups(table("ro")).v2).toEqual(at("/sys/fs/cgroup", false));
    expect(detectCgroups(table("rw")).v2).toEqual(at("/sys/fs/cgroup"));
  });

  it("Docker with v1: its own part of each hierarchy, controllers that share a mount, no v2", () => {
    const part = "/docker/6f1d0e3b";
    const table = `${other}812 811 0:56 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755
813 812 0:29 ${part} /sys/fs/cgroup/systemd ro,nosuid,nodev,noexec,relatime master:11 - cgroup cgroup rw,xattr,name=systemd
815 812 0:33 ${part} /sys/fs/cgroup/cpu,cpuacct ro,nosuid,nodev,noexec,relatime master:16 - cgroup cgroup rw,cpu,cpuacct
818 812 0:36 ${part} /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:19 - cgroup cgroup rw,memory
819 812 0:37 ${part} /sys/fs/cgroup/freezer\\040here ro,nosuid,nodev,noexec,relatime master:20 - cgroup cgroup rw,freezer
`;
    expect(detectCgroups(table)).toEqual({
      v2: null,
      v1: {
        memory: at("/sys/fs/cgroup/memory", false),
        freezer: at("/sys/fs/cgroup/freezer here", false),
        pids: null,
      },
    });
  });

  it("several v2 mounts: the whole tree at the usual place, not the one of Cilium or of a part", () => {
    const table = `${other}50 28 0:26 / /run/cilium/cgroupv2 rw,relatime - cgroup2 none rw
51 28 0:26 /kubepods /sys/fs/cgroup/kube rw,relatime - cgroup2 none rw
27 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw
`;
    expect(detectCgroups(table).v2).toEqual(at("/sys/fs/cgroup"));
  });

  it("a mount over another hides it", () => {
    const table = `27 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
60 27 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw
`;
    expect(detectCgroups(table).v2).toEqual(at("/sys/fs/cgroup", false));
  });

  it.each([
    ["no cgroups at all", other],
    ["an empty table", ""],
    ["lines cut short", "31 23 0:28 / /sys/fs/cgroup\n - cgroup2\ncgroup2 - cgroup2 - cgroup2\n"],
  ])("nothing: %s", (_name, table) => {
    expect(detectCgroups(table)).toEqual({ v2: null, v1: noV1 });
  });
});

/** A machine with the memory controller in v2, as files: the integration tests meet only what their machine has. */
describe("memory in v2", () => {
  let mount: string;
  const put = (path: string, text: string): void => writeFileSync(`${mount}/${path}`, text);
  const text = (path: string): string => readFileSync(`${mount}/${path}`, "utf8");

  beforeEach(() => {
    mount = mkdtempSync(`${tmpdir()}/aether-cgroup-`);
    mkdirSync(`${mount}/aether-x/fn-one`, { recursive: true });
    put("cgroup.subtree_control", "cpu memory");
    put("aether-x/cgroup.subtree_control", "");
    for (const file of ["max", "swap.max"]) put(`aether-x/fn-one/memory.${file}`, "");
    put("aether-x/fn-one/memory.current", "4096\n");
    put("aether-x/fn-one/memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n");
  });
  afterEach(() => rmSync(mount, { recursive: true }));

  const place = (controllers: readonly string[]): ReturnType<typeof placeMemory> =>
    placeMemory("aether-x", `${mount}/aether-x`, { v2: at(mount), v1: noV1, v2Controllers: controllers });

  it("is handed down where it is not yet, then limited, read and counted", () => {
    const placement = place(["cpu", "memory"]);
    expect(placement.kind).toBe("v2");
    expect(text("cgroup.subtree_control")).toBe("cpu memory"); // was there: not written
    expect(text("aether-x/cgroup.subtree_control")).toBe("+memory");
    const memory = placement.controlOf("fn-one");
    memory.setLimit(64 * 1024 * 1024);
    expect([text("aether-x/fn-one/memory.max"), text("aether-x/fn-one/memory.swap.max")]).toEqual([
      "67108864",
      "0",
    ]);
    expect([memory.usage(), memory.oomKills()]).toEqual([4096, 2]);
  });

  it("a machine that has it nowhere says so when a limit is asked for", () => {
    const memory = place(["cpu"]).controlOf("fn-one");
    expect(() => memory.setLimit(1)).toThrow("no memory controller");
    memory.setLimit(null);
    expect([memory.usage(), memory.oomKills()]).toEqual([null, 0]);
  });
});

describe("memory in v1", () => {
  it("does without the swap file where the kernel does not count swap", () => {
    const folder = mkdtempSync(`${tmpdir()}/aether-cgroup-`);
    try {
      writeFileSync(`${folder}/memory.limit_in_bytes`, "");
      memoryV1(folder).setLimit(8192);
      expect(readFileSync(`${folder}/memory.limit_in_bytes`, "utf8")).toBe("8192");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
