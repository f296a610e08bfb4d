import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeRequest, responseStatus } from "../../../src/engine/sandbox/probe.ts";
import { decodeWaitStatus } from "../../../src/engine/sandbox/sandbox.ts";
import { explainCriuFailure, firstErrorLine } from "../../../src/engine/snapshot/criu-failure.ts";
import {
  decodeResponse,
  encodeAcknowledgement,
  encodeDump,
  encodeRestore,
} from "../../../src/engine/snapshot/criu-rpc.ts";
import { parseManifest } from "../../../src/engine/snapshot/manifest.ts";
import { ProtoWriter, readProto } from "../../../src/engine/snapshot/protobuf.ts";

describe("protobuf", () => {
  it("reads back numbers and bytes", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.integer({ min: 1, max: 2 ** 20 }),
            fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.uint8Array()),
          ),
        ),
        (fields) => {
          const writer = new ProtoWriter();
          for (const [field, value] of fields) {
            if (typeof value === "bigint") writer.int(field, value);
            else writer.bytes(field, value);
          }
          const read = readProto(writer.finish());
          expect(
            read.map(({ field, value }) => [
              field,
              typeof value === "bigint" ? value : Uint8Array.from(value),
            ]),
          ).toEqual(fields);
        },
      ),
    );
  });

  it("never reads beyond its input", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        try {
          readProto(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});

describe("CRIU's messages", () => {
  it("one that reports its steps asks for it, and each report is acknowledged and told from the answer", () => {
    const options = { imagesFd: 7, workFd: 8, logLevel: 1, logFile: "x", tcp: "close", inherit: [] } as const;
    const asks = (stepwise: boolean): unknown =>
      readProto(readProto(encodeRestore({ ...options, stepwise }))[1]?.value as Buffer).find(
        ({ field }) => field === 12,
      )?.value;
    expect([asks(true), asks(false)]).toEqual([1n, undefined]);
    expect(readProto(encodeAcknowledgement())).toEqual([
      { field: 1, value: 6n },
      { field: 3, value: 1n },
    ]);
    const report = new ProtoWriter()
      .int(1, 6)
      .bool(2, true)
      .message(5, new ProtoWriter().string(1, "pre-resume").int(2, 100))
      .finish();
    expect(decodeResponse(report)).toMatchObject({ success: true, notification: "pre-resume" });
    const answer = new ProtoWriter().int(1, 2).bool(2, true).message(4, new ProtoWriter().int(1, 100));
    expect(decodeResponse(answer.finish())).toMatchObject({ success: true, pid: 100, notification: null });
  });

  it("a restore carries what the wake path needs, with the field numbers of rpc.proto", () => {
    const message = encodeRestore({
      imagesFd: 7,
      workFd: 8,
      logLevel: 1,
      logFile: "restore.log",
      tcp: "close",
      inherit: [{ key: "pipe:[12]", fd: 10 }],
      stepwise: false,
    });
    const [type, opts] = readProto(message);
    expect(type).toEqual({ field: 1, value: 2n });
    const fields = readProto(opts?.value as Buffer);
    const number = (field: number): unknown => fields.find((entry) => entry.field === field)?.value;
    expect([number(1), number(17), number(9), number(34), number(64), number(26), number(52)]).toEqual([
      7n,
      8n,
      1n,
      0n,
      3n,
      1n,
      1n,
    ]);
    expect(
      readProto(number(27) as Buffer).map(({ value }) =>
        typeof value === "bigint" ? value : value.toString(),
      ),
    ).toEqual(["pipe:[12]", 10n]);
  });

  it("a dump leaves the process stopped and keeps connections only when told to", () => {
    const opts = (tcp: "refuse" | "close" | "keep") =>
      readProto(
        readProto(
          encodeDump({
            imagesFd: 1,
            workFd: 2,
            logLevel: 2,
            logFile: "d",
            tcp,
            pid: 100,
            leaveStopped: true,
            timeoutSeconds: 5,
          }),
        )[1]?.value as Buffer,
      );
    expect(opts("refuse").some(({ field }) => field === 5 || field === 52)).toBe(false);
    expect(opts("keep").some(({ field }) => field === 5)).toBe(true);
    expect(opts("refuse").find(({ field }) => field === 69)?.value).toBe(1n);
  });

  it("an answer is judged by success, though it carries a message", () => {
    const answer = new ProtoWriter()
      .int(1, 2)
      .bool(2, true)
      .message(4, new ProtoWriter().int(1, 100))
      .string(9, "rlimit: Can't setup RLIMIT_NOFILE")
      .finish();
    expect(decodeResponse(answer)).toEqual({
      success: true,
      pid: 100,
      errno: 0,
      message: "rlimit: Can't setup RLIMIT_NOFILE",
      notification: null,
    });
  });
});

describe("explainCriuFailure", () => {
  const log = (line: string): string =>
    `(00.001) Error (criu/rlimit.c:1): rlimit: Can't setup RLIMIT_NOFILE\n(00.002) Error (criu/x.c:9): ${line}\n(00.003) Error (criu/y.c:1): later`;
  for (const [line, reason] of [
    ["Unknown shit 600 (anon_inode:[io_uring])", "IoUring"],
    ["File srv/data.db has bad size 8192 (expect 4096)", "FileChanged"],
    ["inet: Connected TCP socket, consider using --tcp-established option.", "OpenConnection"],
    ["Can't write pages: No space left on device", "NoSpace"],
    ["unix: External socket is used. Consider using --ext-unix-sk option.", "ExternalSocket"],
    ["vdso: Unexpected rt vDSO area bounds", "KernelTooNew"],
    ["prctl: Operation not permitted", "Privilege"],
    ["something nobody has seen", "Unknown"],
  ] as const) {
    it(`${line} is ${reason}`, () => {
      const found = explainCriuFailure(log(line), null);
      expect(found.reason).toBe(reason);
      expect(found.line).toBe(line);
      expect(found.hint).not.toBe("");
    });
  }

  it("takes the first error that is not the harmless one", () => {
    expect(firstErrorLine(log("x"))).toBe("x");
    expect(firstErrorLine("(00.001) Warn (a.c:1): no")).toBeNull();
  });
});

describe("small readers", () => {
  it("decodeWaitStatus tells an exit code from a signal", () => {
    expect(decodeWaitStatus(3 << 8)).toEqual({ exitCode: 3, signal: null });
    expect(decodeWaitStatus(9)).toEqual({ exitCode: null, signal: 9 });
    expect(decodeWaitStatus(0x80 | 6)).toEqual({ exitCode: null, signal: 6 });
  });

  it("a request ends its connection; a status is read only from HTTP", () => {
    const text = encodeRequest(
      { method: "POST", path: "/x", headers: { a: "b" }, body: "hi" },
      80,
    ).toString();
    expect(text).toBe(
      "POST /x HTTP/1.1\r\nhost: 127.0.0.1:80\r\nconnection: close\r\na: b\r\ncontent-length: 2\r\n\r\nhi",
    );
    expect(responseStatus(Buffer.from("HTTP/1.1 204 No Content\r\n"))).toBe(204);
    expect(responseStatus(Buffer.from("220 smtp"))).toBeNull();
  });

  it("parseManifest refuses what is none", () => {
    for (const text of ["", "{}", "[]", '{"format":2}', "nonsense"]) expect(parseManifest(text)).toBeNull();
  });
});
