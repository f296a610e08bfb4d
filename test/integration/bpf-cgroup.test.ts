/** The programs of bpf/cgroup.bpf.c against the kernel: who may bind a held port, and which connections are counted. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EngineCgroups } from "../../src/engine/sandbox/cgroups.ts";
import type { FunctionCgroup } from "../../src/engine/sandbox/cgroups.ts";
import { openDirectory } from "../../src/ffi/fd.ts";
import { BpfObject } from "../../src/ffi/libbpf.ts";
import type { BpfSource, MappedArray } from "../../src/ffi/libbpf.ts";
import { isAetherError } from "../../src/protocol/errors.ts";
import { Actor } from "../helpers/actor.ts";

const objectPath = fileURLToPath(new URL("../../build/bpf/cgroup.bpf.o", import.meta.url));
const programs = ["held_bind4", "held_bind6", "count_connections"];
const missing =
  process.getuid?.() !== 0
    ? "no root"
    : existsSync(objectPath)
      ? null
      : "build/bpf is not built: npm run setup";

describe.skipIf(missing !== null)(
  `programs on the engine's cgroup${missing === null ? "" : ` (skipped: ${missing})`}`,
  () => {
    const name = `aether-test-bpf-${process.pid}`;
    const port = 8080;
    let descriptors: number;
    let cgroups: EngineCgroups;
    let cgroup: FunctionCgroup;
    let actors: Actor[] = [];
    /** Stands for the engine: outside the engine's cgroup. Its network namespace is that of the test. */
    let engine: Actor;
    let object: BpfObject | null = null;
    let held: MappedArray;
    let activity: MappedArray;

    function load(cookie: bigint): void {
      object = BpfObject.load(objectPath, (rodata) => rodata.setBigUint64(8, cookie, true));
      using root = openDirectory(cgroups.root);
      for (const program of programs) object.attachCgroup(program, root);
      held = object.mapArray("held_ports", 65_536, 1);
      activity = object.mapArray("port_activity", 65_536, 24);
    }

    const mark = (marked: boolean): void => held.view.setUint8(port * held.stride, marked ? 1 : 0);
    const counts = (): { established: number; closed: number } => ({
      established: Number(activity.view.getBigUint64(port * activity.stride, true)),
      closed: Number(activity.view.getBigUint64(port * activity.stride + 8, true)),
    });

    /** The kernel's work after an answer: a state change arrives within a moment. */
    async function expectCounts(established: number, closed: number): Promise<void> {
      await expect.poll(counts, { timeout: 5_000 }).toEqual({ established, closed });
    }

    function actor(neighbour: Actor | null): Actor {
      const made = new Actor(neighbour);
      actors.push(made);
      return made;
    }

    /** A process of the function: in its cgroup. */
    async function functionActor(): Promise<Actor> {
      const made = actor(engine);
      await made.run("result = os.getpid()");
      for (const file of cgroup.procsFiles) writeFileSync(file, String(made.pid));
      return made;
    }

    beforeEach(async () => {
      descriptors = readdirSync("/proc/self/fd").length;
      cgroups = EngineCgroups.create(name);
      cgroup = cgroups.createFunction("one", { memoryLimitBytes: null });
      engine = actor(null);
      await engine.run(`os.system("ip link set lo up"); sysctl("net/ipv4/tcp_migrate_req", 1)`);
    });

    afterEach(async () => {
      object?.[Symbol.dispose]();
      object = null;
      await Promise.all(actors.map((each) => each.end()));
      actors = [];
      expect(cgroups.remove()).toBe(true);
      for (const path of cgroups.paths) expect(existsSync(path)).toBe(false);
      await expect.poll(() => readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(descriptors);
    });

    const families = [
      { family: "AF_INET", host: "127.0.0.1" },
      { family: "AF_INET6", host: "::1" },
    ];

    it.each(families)(
      "a cold process binds a held port only with the mark: $family",
      async ({ family, host }) => {
        load(0n);
        const where = `${port}, socket.${family}, "${host}"`;
        await engine.run(`held = listen(${where})`);
        const cold = await functionActor();
        await expect(cold.run(`listen(${where}, reuse=False)`)).rejects.toThrow("EADDRINUSE");
        mark(true);
        await cold.run(`own = listen(${where}, reuse=False)`);
        const stranger = actor(engine);
        await expect(stranger.run(`listen(${where}, reuse=False)`)).rejects.toThrow("EADDRINUSE");
        await cold.run("own.close()");
        mark(false);
        await expect(cold.run(`listen(${where}, reuse=False)`)).rejects.toThrow("EADDRINUSE");
      },
    );

    it("the mark changes neither UDP sockets nor other ports nor other network namespaces", async () => {
      const cookie = await engine.run(`
s = socket.socket(); result = struct.unpack("Q", s.getsockopt(socket.SOL_SOCKET, 71, 8))[0]; s.close()`);
      load(BigInt(cookie as number));
      mark(true);
      const reusePort = (kind: string, number: number): string => `
s = socket.socket(socket.AF_INET, socket.${kind}); s.bind(("127.0.0.1", ${number}))
result = s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT); s.close()`;
      const inside = await functionActor();
      expect(await inside.run(reusePort("SOCK_STREAM", port))).toBe(1);
      expect(await inside.run(reusePort("SOCK_DGRAM", port))).toBe(0);
      expect(await inside.run(reusePort("SOCK_STREAM", port + 1))).toBe(0);
      await inside.run(`libc.unshare(0x40000000); os.system("ip link set lo up")`);
      expect(await inside.run(reusePort("SOCK_STREAM", port))).toBe(0);
      // What was not counted there must not arrive late either: one connection that does count closes the case.
      await inside.run(
        `own = listen(${port}); c = client(${port}); a = own.accept()[0]; a.close(); c.close()`,
      );
      const counted = await functionActor();
      await counted.run(
        `own = listen(${port}); c = client(${port}); a = own.accept()[0]; a.close(); c.close()`,
      );
      await expectCounts(1, 1);
    });

    it("a connection queued on the held listener reaches the cold process when the engine lets go", async () => {
      load(0n);
      mark(true);
      await engine.run(`held = listen(${port})`);
      const outside = actor(engine);
      await outside.run(`c = client(${port}); c.sendall(b"early")`);
      const cold = await functionActor();
      await cold.run(`own = listen(${port}, reuse=False)`);
      await engine.run("held.close()");
      expect(await cold.run(`a = own.accept()[0]; a.sendall(b"late"); result = a.recv(5).decode()`)).toBe(
        "early",
      );
      expect(await outside.run(`result = c.recv(4).decode()`)).toBe("late");
      // It arrived on a listener of another cgroup and keeps it: neither its beginning nor its end is counted.
      await cold.run("a.close()");
      await outside.run("c.close()");
      await outside.run(`c = client(${port})`);
      await cold.run("a = own.accept()[0]");
      await expectCounts(1, 0);
    });

    it("without tcp_migrate_req the queued client is reset", async () => {
      load(0n);
      mark(true);
      await engine.run(`sysctl("net/ipv4/tcp_migrate_req", 0); held = listen(${port})`);
      const outside = actor(engine);
      await outside.run(`c = client(${port}); c.sendall(b"early")`);
      const cold = await functionActor();
      await cold.run(`own = listen(${port}, reuse=False)`);
      await engine.run("held.close()");
      await expect(outside.run("c.recv(4)")).rejects.toThrow("ECONNRESET");
    });

    it("a handshake that ends on the successor counts by the successor's cgroup", async () => {
      load(0n);
      mark(true);
      // With TCP_DEFER_ACCEPT the handshake ends with the first data: the request waits as SYN_RECV until then.
      await engine.run(`held = listen(${port}, defer=20)`);
      const outside = actor(engine);
      await outside.run(`c = client(${port})`);
      const cold = await functionActor();
      await cold.run(`own = listen(${port}, reuse=False)`);
      await engine.run("held.close()");
      await outside.run(`c.sendall(b"x")`);
      expect(await cold.run("a = own.accept()[0]; result = a.recv(1).decode()")).toBe("x");
      await expectCounts(1, 0);
    });

    it("counts are exact for 100 connections over IPv4 and IPv6", async () => {
      load(0n);
      const server = await functionActor();
      await server.run(`l4 = listen(${port}); l6 = listen(${port}, socket.AF_INET6, "::1")`);
      const outside = actor(engine);
      await outside.run(`
cs = [client(${port}) for _ in range(50)] + [client(${port}, socket.AF_INET6, "::1") for _ in range(50)]`);
      const before = process.hrtime.bigint();
      await server.run("accepted = [l.accept()[0] for l in (l4, l6) for _ in range(50)]");
      await expectCounts(100, 0);
      await outside.run("for c in cs[:30] + cs[70:]: c.close()");
      await server.run(`
for a in accepted[:30] + accepted[70:]:
    a.recv(1); a.close()`);
      await expectCounts(100, 60);
      await server.run("for a in accepted: a.close()"); // the server first this time
      await outside.run("for c in cs: c.close()");
      await expectCounts(100, 100);
      const changed = activity.view.getBigUint64(port * activity.stride + 16, true);
      expect(changed).toBeGreaterThan(before);
      expect(changed).toBeLessThan(process.hrtime.bigint());
    });

    it("connections count while the engine holds the listener, the function dead and its cgroup removed", async () => {
      load(0n);
      const server = await functionActor();
      const number = await server.run(`own = listen(${port}); result = own.fileno()`);
      await engine.run(`held = take(${server.pid}, ${String(number)})`);
      await server.end();
      const outside = actor(engine);
      await outside.run(`c = client(${port})`);
      await expectCounts(1, 0);
      await expect.poll(() => cgroups.removeFunction("one")).toBe(true);
      expect(existsSync(cgroup.path)).toBe(false);
      await outside.run(`d = client(${port}); e = client(${port})`);
      await expectCounts(3, 0);
      await engine.run("for _ in range(3): held.accept()[0].close()");
      await outside.run("c.close(); d.close(); e.close()");
      await expectCounts(3, 3);
      // A successor in a new cgroup of the same name takes what is still queued; it was counted, and is not again.
      await outside.run(`c = client(${port})`);
      cgroup = cgroups.createFunction("one", { memoryLimitBytes: null });
      mark(true);
      await engine.run("held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)");
      const successor = await functionActor();
      await successor.run(`own = listen(${port}, reuse=False)`);
      await engine.run("held.close()");
      await successor.run("own.accept()[0].close()");
      await outside.run("c.close()");
      await expectCounts(4, 4);
    });

    const attached = (): string =>
      spawnSync("bpftool", ["cgroup", "show", cgroups.root], { encoding: "utf8" }).stdout;

    it("handles are closed in any order and more than once", () => {
      load(0n);
      using root = openDirectory(cgroups.root);
      const link = object?.attachCgroup("held_bind4", root);
      const map = object?.map("port_activity");
      const array = object?.mapArray("held_ports", 65_536, 1);
      array?.[Symbol.dispose]();
      expect(attached()).toMatch(/count_connect[^]*held_bind4/);
      const last = held;
      object?.[Symbol.dispose]();
      object?.[Symbol.dispose]();
      for (const handle of [link, map, array]) handle?.[Symbol.dispose]();
      expect(link?.isAttached).toBe(false);
      expect(() => last.view.getUint8(0)).toThrow(TypeError);
      expect(() => map?.lookup(new Uint8Array(4))).toThrow("after it was closed");
      expect(() => object?.map("held_ports")).toThrow("after it was closed");
      expect(attached()).not.toMatch(/held_bind|count_connect/);
    });

    it("maps are read and written by key too", () => {
      load(0n);
      using map = object?.map("held_ports");
      const key = new Uint8Array(new Uint32Array([port]).buffer);
      map?.update(key, new Uint8Array([1]));
      expect(held.view.getUint8(port * held.stride)).toBe(1);
      expect(map?.lookup(key)).toEqual(new Uint8Array([1]));
      expect(map?.lookup(new Uint8Array([255, 255, 255, 255]))).toBeNull();
      expect(() => map?.lookup(new Uint8Array(1))).toThrow("a key has 4 bytes");
    });

    describe("what is wrong is said", () => {
      function failure(act: () => unknown): { code: string; data: Readonly<Record<string, unknown>> } {
        try {
          act();
        } catch (error) {
          if (isAetherError(error)) return error;
          throw error;
        }
        throw new Error("it did not fail");
      }

      it("an object that is missing or none", () => {
        const garbage: BpfSource = { name: "garbage", bytes: new Uint8Array(100) };
        expect(failure(() => BpfObject.load("/nowhere/x.bpf.o"))).toMatchObject({
          code: "AE_BPF_LOAD_FAILED",
        });
        expect(failure(() => BpfObject.load(garbage))).toMatchObject({ code: "AE_BPF_LOAD_FAILED" });
      });

      it("a map or program it has not, or a map of another shape, or no cgroup", () => {
        using bytes = BpfObject.load({ name: "from memory", bytes: readFileSync(objectPath) });
        using folder = openDirectory("/tmp");
        expect(failure(() => bytes.map("other"))).toMatchObject({ code: "AE_BPF_MAP_NOT_FOUND" });
        expect(failure(() => bytes.mapArray("held_ports", 65_536, 4))).toMatchObject({
          code: "AE_BPF_MAP_NOT_FOUND",
        });
        expect(failure(() => bytes.attachCgroup("held_bind4", folder))).toMatchObject({
          code: "AE_BPF_ATTACH_FAILED",
        });
        expect(failure(() => bytes.attachCgroup("none", folder))).toMatchObject({
          code: "AE_BPF_ATTACH_FAILED",
        });
      });

      it("a program the verifier refuses, with the verifier's last lines", () => {
        const folder = mkdtempSync(`${tmpdir()}/aether-bpf-`);
        try {
          writeFileSync(
            `${folder}/bad.bpf.c`,
            `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("sockops") int good(struct bpf_sock_ops *ctx) { return 1; }
SEC("sockops") int bad(struct bpf_sock_ops *ctx) { return *(volatile int *)(long)ctx->op; }
char _license[] SEC("license") = "Apache-2.0";`,
          );
          const include = `-I/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
          const args = ["-target", "bpf", "-g", "-O2", include, "-c", "bad.bpf.c", "-o", "bad.bpf.o"];
          const built = spawnSync("clang", args, { cwd: folder, encoding: "utf8" });
          expect(built.status, built.stderr).toBe(0);
          const error = failure(() => BpfObject.load(`${folder}/bad.bpf.o`));
          expect(error.code).toBe("AE_BPF_VERIFICATION_FAILED");
          expect(error).toMatchObject({ why: expect.stringContaining("invalid mem access") });
          expect(error.data["verifier"]).toEqual(
            expect.arrayContaining([expect.stringContaining("processed")]),
          );
        } finally {
          rmSync(folder, { recursive: true });
        }
      });
    });
  },
);
