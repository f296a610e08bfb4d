import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeWire,
  fdRole,
  wireMagic,
  wireMaxMessage,
  wireTag,
  wireType,
  wireVersion,
  WireWriter,
} from "../../src/engine/sandbox/wire.ts";

const header = readFileSync(new URL("../../rootfs/wire.h", import.meta.url), "utf8");

function constants(prefix: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const [, name, value] of header.matchAll(new RegExp(`^\\s*${prefix}_([A-Z_]+) = (\\d+)`, "gm"))) {
    if (name !== undefined && value !== undefined) found[name] = Number(value);
  }
  return found;
}

describe("wire.ts and rootfs/wire.h", () => {
  it("have the same types, tags and roles", () => {
    expect(constants("WIRE")).toEqual(wireType);
    expect(constants("TAG")).toEqual(wireTag);
    expect(constants("FD")).toEqual(fdRole);
  });

  it("have the same magic, version and limit", () => {
    expect(header).toContain(`WIRE_MAGIC 0x${wireMagic.toString(16)}`);
    expect(header).toContain(`WIRE_VERSION ${wireVersion}`);
    expect(header).toContain(`WIRE_MAX_MESSAGE ${wireMaxMessage}`);
  });
});

describe("decodeWire", () => {
  it("reads back what WireWriter wrote", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.string())),
        (id, fields) => {
          const writer = new WireWriter(wireType.SPAWN);
          for (const [tag, text] of fields) writer.text(tag, text);
          const message = decodeWire(writer.encode(id));
          expect(message?.type).toBe(wireType.SPAWN);
          expect(message?.id).toBe(id);
          expect(message?.fields.map((field) => [field.tag, field.value.toString("utf8")])).toEqual(
            fields.map(([tag, text]) => [tag, Buffer.from(text).toString("utf8")]),
          );
        },
      ),
    );
  });

  it("never throws on arbitrary bytes, and refuses a cut message", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => decodeWire(bytes) === null));
    const whole = new WireWriter(wireType.OK).text(wireTag.STEP, "abc").encode(1);
    for (let length = 0; length < whole.length; length++)
      expect(decodeWire(whole.subarray(0, length))).toBeNull();
  });
});
