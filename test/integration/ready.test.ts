/** Starting: the ways to say READY, and the ways in which a start fails, told apart. */
import { chmodSync, cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get } from "../helpers/clients.ts";
import { fixture, TestEngine } from "../helpers/engine.ts";
import type { Declaration } from "../helpers/engine.ts";
import { ask, errorOf, errorsOf, outputLines, python, until } from "../helpers/observe.ts";

/** Binds the port once the file `go` is there: the test takes the port in between. */
const bindsLate = (whenTaken: string): string => `
import http.server, os, time
print("waiting", flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
try:
    http.server.HTTPServer(("0.0.0.0", int(os.environ["AETHER_TRIGGER_PORT"])), http.server.BaseHTTPRequestHandler).serve_forever()
except OSError as error:
    print(error.strerror, flush=True)
    ${whenTaken}
`;

/** 503 until the third request. */
const slowToServe = `
import http.server, os
asked = 0
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        asked += 1
        self.send_response(200 if asked > 2 else 503)
        body = f"{asked} {self.path}".encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("0.0.0.0", int(os.environ["AETHER_TRIGGER_PORT"])), Handler).serve_forever()
`;

const neverWell = slowToServe.replace("asked > 2", "False");

describe("a start", () => {
  let engine: TestEngine;
  let folder: string;
  const ports: Record<string, number> = {};
  const foreign: Server[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "aether-ready-"));
    chmodSync(folder, 0o755);
    // Under its own name, where the user nobody may read it.
    cpSync(fixture("hello-python"), join(folder, "hello-python"), { recursive: true });
    writeFileSync(join(folder, "no-program"), "this is no program\n", { mode: 0o755 });
    writeFileSync(join(folder, "no-interpreter"), "#!/no/such/interpreter\n", { mode: 0o755 });
    const inline = (script: string) => ["/usr/bin/python3", "-c", script];
    const functions: Declaration[] = [
      await python("as-root", "hello-python"),
      await python("as-nobody", "hello-python", {
        cwd: join(folder, "hello-python"),
        user: "nobody",
      }),
      await python("port", "unmodified", { command: inline(slowToServe), ready: "port" }),
      await python("http", "unmodified", { command: inline(slowToServe), ready: { http: "/healthz" } }),
      await python("late-listener", "late-listener"),
      await python("in-pieces", "probe", { env: { PIECES: 5 } }),

      await python("no-program", "probe", { command: [join(folder, "no-program")] }),
      await python("no-interpreter", "probe", { command: [join(folder, "no-interpreter")] }),
      await python("never-ready", "never-ready", { ready_timeout: "1s" }),
      await python("never-listens", "probe", {
        command: inline("import time; time.sleep(60)"),
        ready: "port",
        ready_timeout: "1s",
      }),
      await python("never-well", "unmodified", {
        command: inline(neverWell),
        ready: { http: "/healthz" },
        ready_timeout: "2s",
      }),
      await python("crash-at-start", "crasher", { command: "python3 at_start.py" }),
      await python("wrong-bytes", "wrong-bytes"),
      await python("too-many-bytes", "probe", {
        command: inline(
          "import os, socket, time; s = socket.socket(socket.AF_UNIX); s.connect(os.environ['AETHER_SOCKET']); s.sendall(b'READY\\n'); time.sleep(60)",
        ),
      }),
      await python("too-few-bytes", "probe", {
        command: inline(
          "import os, socket, time; s = socket.socket(socket.AF_UNIX); s.connect(os.environ['AETHER_SOCKET']); s.sendall(b'REA'); s.close(); time.sleep(60)",
        ),
      }),
      await python("out-of-memory", "memory-hog", { memory_limit: "24MiB", env: { MEGABYTES: 64 } }),
      await python("wrong-port", "wrong-port", { ready_timeout: "1500ms" }),
      await python("daemonizes", "daemonizes"),
      await python("taken-and-ends", "probe", {
        command: inline(bindsLate("raise SystemExit(1)")),
        cwd: folder,
        ready: "port",
      }),
      await python("taken-and-stays", "probe", {
        command: inline(bindsLate("time.sleep(60)")),
        cwd: folder,
        ready: "port",
        ready_timeout: "4s",
      }),
    ];
    for (const { id, trigger_port: port } of functions) ports[id] = Number(port);
    engine = await TestEngine.start({ functions, until: "started", engine: { max_parallel_restores: 20 } });
    // The configuration has been read and found good; now somebody else takes the ports.
    for (const id of ["taken-and-ends", "taken-and-stays"]) {
      await until(async () => (await outputLines(engine, id)).includes("waiting"), `${id} to wait`, 20_000);
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(ports[id], "0.0.0.0", resolve));
      foreign.push(server);
    }
    writeFileSync(join(folder, "go"), "");
    await engine.waitFor(
      (event) => event.type === "progress" && event.ready === functions.length,
      "all to have begun",
      45_000,
    );
  });

  afterAll(async () => {
    for (const server of foreign) server.close();
    await engine[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
    expect(engine.leftovers()).toEqual([]);
  });

  describe("succeeds", () => {
    const asleep = async (id: string): Promise<void> => {
      expect(errorsOf(engine, id)).toEqual([]);
      expect((await engine.function(id)).state).toBe("WarmSnapshot");
    };

    it("by the handshake word for word, as root and as another user", async () => {
      for (const id of ["as-root", "as-nobody"]) {
        await asleep(id);
        for (let cycle = 0; cycle < 3; cycle++) {
          expect((await get(ports[id] ?? 0)).body).toBe("hello from python\n");
          await engine.action(id, "snapshot");
        }
      }
    });

    it("by listening, for a server that knows nothing of Aether", async () => {
      await asleep("port");
      expect((await get(ports["port"] ?? 0)).body).toBe("1 /");
    });

    it("by a 2xx of its health path, and not before", async () => {
      await asleep("http");
      // Two answers of 503, the one of 200, and one request: the trials ran in copies, whose counts are gone with them.
      expect((await get(ports["http"] ?? 0)).body).toBe("4 /");
    });

    it("when READY has come and the port listens, whenever that is", async () => {
      await asleep("late-listener");
      expect((await get(ports["late-listener"] ?? 0)).body).toBe("late but here\n");
    });

    it("when READY comes byte by byte", async () => {
      await asleep("in-pieces");
      expect(await ask<{ pid: number }>(ports["in-pieces"] ?? 0, "/")).toMatchObject({ pid: 100 });
    });
  });

  describe("fails, and says how:", () => {
    const failed = async (
      id: string,
      code: Parameters<typeof errorOf>[2],
    ): Promise<Awaited<ReturnType<typeof errorOf>>> => {
      const error = await errorOf(engine, id, code);
      const view = await engine.function(id);
      expect(view).toMatchObject({
        state: "Uninitialized",
        activity: null,
        instances: [],
        lastError: { code },
      });
      expect(errorsOf(engine, id)).toHaveLength(1);
      expect(error.family).toBe(code.startsWith("AE_WAKE") ? "WakeError" : "SandboxError");
      expect(error.hint).not.toBeNull();
      expect(error.data["function"]).toBe(id);
      return error;
    };

    it("the program cannot be executed", async () => {
      expect((await failed("no-program", "AE_SPAWN_FAILED")).data).toMatchObject({ errno: "ENOEXEC" });
      expect((await failed("no-interpreter", "AE_SPAWN_FAILED")).data).toMatchObject({ errno: "ENOENT" });
    });

    it("not ready in time, with what is missing and the last lines", async () => {
      const error = await failed("never-ready", "AE_READY_TIMEOUT");
      expect(error.why).toContain("READY");
      expect(error.data).toMatchObject({ timeoutMs: 1_000, output: ["loading a very large model"] });
      expect((await failed("never-listens", "AE_READY_TIMEOUT")).why).toContain(
        String(ports["never-listens"]),
      );
      expect((await failed("never-well", "AE_READY_TIMEOUT")).why).toContain("503");
    });

    it("ended before it was ready, with its code and last lines", async () => {
      const error = await failed("crash-at-start", "AE_EARLY_EXIT");
      expect(error.why).toBe("cannot find my settings");
      expect(error.data).toMatchObject({ exitCode: 3, signal: null, output: ["cannot find my settings"] });
    });

    it("other bytes than READY, more of them, or fewer", async () => {
      expect((await failed("wrong-bytes", "AE_HANDSHAKE_INVALID")).why).toContain('"HELLO"');
      expect((await failed("too-many-bytes", "AE_HANDSHAKE_INVALID")).data["got"]).toBe('"READY\\n"');
      expect((await failed("too-few-bytes", "AE_HANDSHAKE_INVALID")).data["got"]).toBe('"REA"');
    });

    it("the port belongs to another program, which is named", async () => {
      for (const id of ["taken-and-ends", "taken-and-stays"]) {
        const error = await failed(id, "AE_PORT_TAKEN");
        expect(error.data).toMatchObject({ port: ports[id] });
        expect(error.data["output"]).toContain("Address already in use");
        expect(error.why).toContain(`pid ${process.pid}`);
      }
    });

    it("out of memory", async () => {
      const error = await failed("out-of-memory", "AE_OUT_OF_MEMORY");
      expect(error.data).toMatchObject({ signal: "SIGKILL" });
      expect(error.why).toContain(String(24 * 1024 * 1024));
    });

    it("listening on another port than declared", async () => {
      const port = ports["wrong-port"] ?? 0;
      const error = await failed("wrong-port", "AE_WAKE_WRONG_PORT");
      expect(error.data).toMatchObject({ triggerPort: port, listensOn: [String(port + 1)] });
    });

    it("turning itself into a daemon", async () => {
      const error = await failed("daemonizes", "AE_EARLY_EXIT");
      expect(error.data).toMatchObject({ exitCode: 0, daemonized: true });
      expect(error.hint).toContain("foreground");
      // The grandchild ended with its sandbox.
      await expect(get(ports["daemonizes"] ?? 0)).rejects.toThrow("ECONNREFUSED");
    });

    it("and an order starts it again, once the cause is gone", async () => {
      foreign.shift()?.close();
      await engine.action("taken-and-ends", "wake");
      expect((await engine.function("taken-and-ends")).state).toBe("Running");
      await expect(engine.action("crash-at-start", "wake")).rejects.toMatchObject({ code: "AE_EARLY_EXIT" });
    });
  });
});
