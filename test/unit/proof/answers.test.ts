import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import fc from "fast-check";
import { describe, test } from "vitest";
import { compareAnswers } from "../../../src/engine/proof/compare-answers.ts";
import { parseAnswer } from "../../../src/engine/proof/http-answer.ts";

const all = { compare: "answer", ignoreHeaders: [] } as const;
const raw = (text: string | Buffer, cut = false) => ({ bytes: Buffer.from(text), cut });
const answer = (head: string, body = ""): string => `HTTP/1.1 200 OK\r\n${head}\r\n\r\n${body}`;

describe("an answer", () => {
  test("status, headers in any case and order of values, body", ({ expect }) => {
    const parsed = parseAnswer(Buffer.from(answer("A: 1\r\nb:  x y \r\na: 2", "hello")));
    expect(parsed?.status).toBe(200);
    expect([...(parsed?.headers ?? [])]).toEqual([
      ["a", ["1", "2"]],
      ["b", ["x y"]],
    ]);
    expect(parsed?.body.toString()).toBe("hello");
  });

  test("an interim answer is passed over", ({ expect }) => {
    const text = `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${answer("A: 1", "x")}`;
    expect(parseAnswer(Buffer.from(text))).toMatchObject({ status: 200 });
  });

  test.for(["", "hello", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n"])(
    "%j is none",
    (text, { expect }) => {
      expect(parseAnswer(Buffer.from(text))).toBeNull();
    },
  );

  test("chunks are joined, wherever a server cuts them", ({ expect }) => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 })), fc.boolean(), (parts, ends) => {
        const chunks = parts.flatMap((part) => [
          Buffer.from(`${part.length.toString(16)};x=y\r\n`),
          Buffer.from(part),
          Buffer.from("\r\n"),
        ]);
        const bytes = Buffer.concat([
          Buffer.from(answer("Transfer-Encoding: chunked")),
          ...chunks,
          Buffer.from(ends ? "0\r\nTrailer: x\r\n\r\n" : ""),
        ]);
        expect(parseAnswer(bytes)?.body).toEqual(Buffer.concat(parts));
      }),
    );
  });

  test("what a real server sends is what its client would read", async ({ expect }) => {
    const server = createServer((_request, response) => {
      response.setHeader("X-One", ["1", "2"]);
      response.write("a".repeat(70_000));
      response.end("b");
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const socket = connect(typeof address === "object" && address !== null ? address.port : 0, "127.0.0.1");
    socket.end("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    server.close();
    const parsed = parseAnswer(Buffer.concat(chunks));
    expect(parsed?.headers.get("x-one")).toEqual(["1", "2"]);
    expect(parsed?.body.toString()).toBe(`${"a".repeat(70_000)}b`);
  });

  test("arbitrary bytes are parsed or not, and never throw", ({ expect }) => {
    const almost = fc.string().map((text) => answer("Transfer-Encoding: chunked", text));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array().map((bytes) => Buffer.from(bytes)),
          almost.map((text) => Buffer.from(text, "latin1")),
        ),
        (bytes) => {
          expect(parseAnswer(bytes)?.status ?? 200).toBeTypeOf("number");
        },
      ),
    );
  });
});

describe("two answers", () => {
  test("are equal to themselves, whatever they are", ({ expect }) => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.boolean(), (bytes, cut) => {
        const one = raw(Buffer.from(bytes), cut);
        expect(compareAnswers(all, one, one)).toBeNull();
      }),
    );
  });

  test("differ at the first byte that differs, whatever stands there", ({ expect }) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 }), (one, other) => {
        const found = compareAnswers(
          all,
          raw(Buffer.concat([Buffer.from(answer("A: 1")), one])),
          raw(Buffer.concat([Buffer.from(answer("A: 1")), other])),
        );
        const wanted = [...one, -1].findIndex((byte, index) => byte !== ([...other, -1][index] ?? -1));
        expect(found?.offset ?? null).toBe(Buffer.from(one).equals(other) ? null : wanted);
        for (const text of [found?.expected ?? "", found?.found ?? ""])
          expect(text).toMatch(/^[\x20-\x7e]*$/);
      }),
    );
  });

  test("status first, then headers, then the body", ({ expect }) => {
    const before = raw(answer("A: 1", "x"));
    expect(compareAnswers(all, before, raw("HTTP/1.1 500 No\r\nA: 2\r\n\r\ny"))).toEqual({
      part: "status",
      offset: null,
      expected: "200",
      found: "500",
    });
    expect(compareAnswers(all, before, raw(answer("A: 2", "y")))).toEqual({
      part: "header a",
      offset: null,
      expected: "1",
      found: "2",
    });
    expect(compareAnswers(all, before, raw(answer("B: 1", "x")))).toMatchObject({
      part: "header a",
      found: "none",
    });
    expect(compareAnswers(all, before, raw(answer("A: 1", "y\u0007")))).toEqual({
      part: "body",
      offset: 0,
      expected: "x",
      found: "y\\x07",
    });
    expect(compareAnswers(all, before, raw(answer("A: 1", "xx")))).toEqual({
      part: "body",
      offset: 1,
      expected: "the end, after 1 bytes",
      found: "xx",
    });
    expect(compareAnswers(all, before, raw("something else"))).toMatchObject({
      part: "status",
      found: "no HTTP",
    });
  });

  test("Date never counts, and others not where that is declared", ({ expect }) => {
    const before = raw(answer("Date: a\r\nX-Request-Id: 1"));
    const after = raw(answer("Date: b\r\nX-Request-Id: 2"));
    expect(compareAnswers(all, before, after)).toMatchObject({ part: "header x-request-id" });
    expect(compareAnswers({ ...all, ignoreHeaders: ["x-request-id"] }, before, after)).toBeNull();
    expect(compareAnswers({ ...all, compare: "status" }, before, raw(answer("A: 9", "other")))).toBeNull();
  });

  test("a secret is not shown", ({ expect }) => {
    const found = compareAnswers(
      all,
      raw(answer("Set-Cookie: s=hunter2")),
      raw(answer("Set-Cookie: s=hunter3")),
    );
    expect(found?.part).toBe("header set-cookie");
    expect(JSON.stringify(found)).not.toContain("hunter");
  });

  test("of long ones only the beginning is compared", ({ expect }) => {
    expect(
      compareAnswers(all, raw(answer("A: 1", "xxx"), true), raw(answer("A: 1", "xxxxx"), true)),
    ).toBeNull();
    expect(
      compareAnswers(all, raw(answer("A: 1", "xxx"), true), raw(answer("A: 1", "xyxxx"), true)),
    ).toMatchObject({ offset: 1 });
  });
});
