/** Node, kernel, cgroups and the switches of the network. */
import { existsSync } from "node:fs";
import { release } from "node:os";
import type { Check } from "./check.ts";
import { fail, ok, warn } from "./check.ts";
import { readText } from "./read-text.ts";
import { isAtLeast, parseVersion } from "./versions.ts";

export const nodeCheck: Check = {
  name: "node",
  run() {
    const what = `Node ${process.versions.node}`;
    return isAtLeast(parseVersion(process.versions.node) ?? [], [24])
      ? ok(what)
      : fail(
          what,
          "Aether needs Node 24",
          "Run `npm install` in Aether's folder: it brings its own Node 24.",
        );
  },
};

/** CRIU's and BPF's needs: CAP_CHECKPOINT_RESTORE 5.9, cgroup freezer and pidfd_getfd 5.6, tcp_migrate_req 5.14. */
export const kernelCheck: Check = {
  name: "kernel",
  run() {
    const what = `Linux ${release()} on ${process.arch}`;
    if (process.platform !== "linux")
      return fail(process.platform, "Aether needs Linux", "Run it on a Linux machine.");
    if (process.arch !== "x64" && process.arch !== "arm64")
      return fail(what, "this processor is not supported", "Use x86-64 or arm64.");
    return isAtLeast(parseVersion(release()) ?? [], [5, 14])
      ? ok(what)
      : fail(what, "queued connections can be handed over only from Linux 5.14 on", "Use a newer kernel.");
  },
};

export const cgroupCheck: Check = {
  name: "cgroups",
  run() {
    const mounts = (readText("/proc/self/mounts") ?? "").split("\n").map((line) => line.split(" "));
    const v2 = mounts.find(([, , type]) => type === "cgroup2")?.[1];
    const v1 = mounts.filter(([, , type]) => type === "cgroup");
    if (v2 === undefined)
      return fail(
        "no cgroup v2 hierarchy",
        "functions are frozen and told apart by it",
        "Mount it: mount -t cgroup2 none /sys/fs/cgroup/unified",
      );
    const where = `cgroup v2 at ${v2}${v1.length > 0 ? `, with ${v1.length} v1 hierarchies` : ""}`;
    const controllers = (readText(`${v2}/cgroup.controllers`) ?? "").trim().split(" ");
    const inV2 = controllers.includes("memory");
    const memory = inV2 || v1.some((mount) => mount[3]?.split(",").includes("memory") === true);
    return memory
      ? ok(`${where}; memory is limited and counted by ${inV2 ? "v2" : "v1"}`)
      : warn(
          where,
          "no memory controller, so memory_limit cannot be kept",
          "Boot with cgroup_enable=memory, or leave out memory_limit.",
        );
  },
};

export const migrateCheck: Check = {
  name: "tcp-migrate",
  run() {
    const value = readText("/proc/sys/net/ipv4/tcp_migrate_req")?.trim();
    if (value === undefined) {
      return fail(
        "no net.ipv4.tcp_migrate_req",
        "without it every connection that waits for a wake is reset",
        "Use Linux 5.14 or newer, with access to /proc/sys/net.",
      );
    }
    if (value === "1") return ok("net.ipv4.tcp_migrate_req is 1");
    return ok(
      `net.ipv4.tcp_migrate_req is ${value}: the engine sets it to 1 for the whole machine, and puts it back when it ends`,
    );
  },
};

export const libbpfCheck: Check = {
  name: "libbpf",
  run() {
    const names = ["libbpf.so.1", "libbpf.so.0"];
    const folders = [
      "/usr/lib",
      "/lib",
      "/usr/lib64",
      "/usr/local/lib",
      ...["x86_64", "aarch64"].map((cpu) => `/usr/lib/${cpu}-linux-gnu`),
    ];
    const found = names
      .flatMap((name) => folders.map((folder) => `${folder}/${name}`))
      .find((path) => existsSync(path));
    if (found === undefined)
      return fail(
        "no libbpf",
        "bind and connection programs are loaded with it",
        "Install it: apt-get install libbpf1",
      );
    return found.endsWith(".0")
      ? fail(found, "version 0 is too old", "Install libbpf 1.0 or newer: apt-get install libbpf1")
      : ok(found);
  },
};
