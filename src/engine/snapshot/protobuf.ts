/**
 * The wire format of protocol buffers, as far as CRIU's messages and images need it: varints, strings, nested messages
 * (protobuf.dev, "Encoding"). Written by hand because the hot path sends a dozen fields and the images are edited in place.
 */
import { Buffer } from "node:buffer";

/** Appends fields to a message. */
export class ProtoWriter {
  readonly #bytes: number[] = [];

  #varint(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    while (rest > 0x7fn) {
      this.#bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#bytes.push(Number(rest));
  }

  /** A varint field. Negative numbers take ten bytes, as int32 and int64 are defined. */
  int(field: number, value: number | bigint): this {
    this.#varint(BigInt(field) << 3n);
    this.#varint(BigInt(value));
    return this;
  }

  bool(field: number, value: boolean): this {
    return this.int(field, value ? 1 : 0);
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint((BigInt(field) << 3n) | 2n);
    this.#varint(BigInt(value.length));
    for (const byte of value) this.#bytes.push(byte);
    return this;
  }

  string(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  message(field: number, value: ProtoWriter): this {
    return this.bytes(field, value.finish());
  }

  finish(): Buffer {
    return Buffer.from(this.#bytes);
  }
}

/** A field as read: its number and, by its wire type, a number or bytes. */
export interface ProtoField {
  readonly field: number;
  readonly value: bigint | Buffer;
}

/** Reads a message's fields in order. Throws RangeError on bytes that are no message. */
export function readProto(data: Uint8Array): ProtoField[] {
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const fields: ProtoField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = raw[at++];
      if (byte === undefined) throw new RangeError("message cut short");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError("varint too long");
  };
  const take = (length: number): Buffer => {
    if (length > raw.length - at) throw new RangeError("message cut short");
    const part = raw.subarray(at, at + length);
    at += length;
    return part;
  };
  while (at < raw.length) {
    const key = varint();
    const field = Number(key >> 3n);
    switch (Number(key & 7n)) {
      case 0:
        fields.push({ field, value: varint() });
        break;
      case 1:
        fields.push({ field, value: take(8) });
        break;
      case 2:
        fields.push({ field, value: take(Number(varint())) });
        break;
      case 5:
        fields.push({ field, value: take(4) });
        break;
      default:
        throw new RangeError(`wire type ${key & 7n} is not used by protocol buffers 2`);
    }
  }
  return fields;
}

/** A message of these fields, numbers as varints: what `readProto` read, edited. */
export function encodeFields(fields: readonly ProtoField[]): Buffer {
  const writer = new ProtoWriter();
  for (const { field, value } of fields) {
    if (typeof value === "bigint") writer.int(field, value);
    else writer.bytes(field, value);
  }
  return writer.finish();
}
