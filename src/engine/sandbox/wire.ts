/**
 * The messages between engine, launcher and init, as rootfs/wire.h has them (test/unit/wire.test.ts compares the two).
 */
import { Buffer } from "node:buffer";

export const wireMagic = 0x48544541;
export const wireVersion = 1;
export const wireMaxMessage = 196_608;
const headerBytes = 16;
const fieldBytes = 8;

export const wireType = {
  OK: 1,
  ERROR: 2,
  HELLO: 3,
  EXIT: 4,
  SANDBOX: 16,
  ON_DEATH: 17,
  SETUP: 32,
  SPAWN: 33,
  KILL: 34,
  SOCKET: 35,
  RELEASE: 36,
} as const;

export const wireTag = {
  ERRNO: 1,
  STEP: 2,
  DETAIL: 3,
  PID: 4,
  STATUS: 5,
  CLONE_FLAGS: 6,
  NAME: 7,
  FD: 8,
  CGROUP: 9,
  UNLINK: 10,
  SYSCTL: 11,
  HOSTNAME: 12,
  MOUNT: 13,
  MKDIR: 14,
  SYMLINK: 15,
  LOOPBACK: 16,
  MKNOD: 17,
  ARGV: 32,
  ENV: 33,
  CWD: 34,
  UID: 35,
  GID: 36,
  GROUPS: 37,
  CAPS: 38,
  NO_NEW_PRIVS: 39,
  IO_URING_GUARD: 40,
  LAST_PID: 41,
  RPC_SOCKET: 42,
  HELD: 43,
  UMASK: 44,
  NOFILE: 45,
  OOM_SCORE: 46,
  SIGNAL: 48,
  FAMILY: 49,
  SOCKTYPE: 50,
} as const;

export const fdRole = { CONTROL: 1, CHILD: 2, JOIN: 3, HOLD: 4, NETWORK: 5 } as const;

/** Builds one message, field by field, in the order in which they are to be obeyed. */
export class WireWriter {
  readonly #type: number;
  readonly #parts: Buffer[] = [];
  #size = headerBytes;
  /** Descriptors that ride along, in the order of the FD fields. */
  readonly descriptors: number[] = [];

  constructor(type: number) {
    this.#type = type;
  }

  #field(tag: number, value: Buffer): this {
    const padding = (4 - (value.length % 4)) % 4;
    const part = Buffer.alloc(fieldBytes + value.length + padding);
    part.writeUInt16LE(tag, 0);
    part.writeUInt32LE(value.length, 4);
    value.copy(part, fieldBytes);
    this.#parts.push(part);
    this.#size += part.length;
    return this;
  }

  text(tag: number, ...values: readonly (string | number)[]): this {
    return this.#field(tag, Buffer.from(values.join("\0")));
  }

  empty(tag: number): this {
    return this.#field(tag, Buffer.alloc(0));
  }

  u32(tag: number, ...values: readonly number[]): this {
    const raw = Buffer.alloc(values.length * 4);
    for (const [index, value] of values.entries()) raw.writeUInt32LE(value >>> 0, index * 4);
    return this.#field(tag, raw);
  }

  u64(tag: number, value: bigint): this {
    const raw = Buffer.alloc(8);
    raw.writeBigUInt64LE(value);
    return this.#field(tag, raw);
  }

  /** A descriptor that rides along: what it is for, and its number where the role has one. */
  fd(role: number, descriptor: number, number = 0): this {
    this.descriptors.push(descriptor);
    return this.u32(wireTag.FD, role, number);
  }

  /** The finished message under the given request id. Throws RangeError past the limit of a packet. */
  encode(id: number): Buffer {
    if (this.#size > wireMaxMessage)
      throw new RangeError(`message of ${this.#size} bytes; ${wireMaxMessage} is the limit`);
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32LE(wireMagic, 0);
    header.writeUInt16LE(wireVersion, 4);
    header.writeUInt16LE(this.#type, 6);
    header.writeUInt32LE(id, 8);
    header.writeUInt32LE(this.#size, 12);
    return Buffer.concat([header, ...this.#parts], this.#size);
  }
}

/** A message as read: fields in order. */
export class WireMessage {
  readonly type: number;
  readonly id: number;
  readonly fields: readonly { readonly tag: number; readonly value: Buffer }[];

  constructor(type: number, id: number, fields: readonly { tag: number; value: Buffer }[]) {
    this.type = type;
    this.id = id;
    this.fields = fields;
  }

  #find(tag: number): Buffer | null {
    return this.fields.find((field) => field.tag === tag)?.value ?? null;
  }

  int(tag: number): number | null {
    const value = this.#find(tag);
    return value === null || value.length < 4 ? null : value.readInt32LE(0);
  }

  ints(tag: number): number[] {
    return this.fields
      .filter((field) => field.tag === tag && field.value.length >= 4)
      .map((field) => field.value.readInt32LE(0));
  }

  text(tag: number): string | null {
    return this.#find(tag)?.toString("utf8") ?? null;
  }
}

/** Reads a message; `null` when it is not one (wrong magic, version or lengths). */
export function decodeWire(data: Uint8Array): WireMessage | null {
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (raw.length < headerBytes || raw.readUInt32LE(0) !== wireMagic || raw.readUInt16LE(4) !== wireVersion)
    return null;
  if (raw.readUInt32LE(12) !== raw.length) return null;
  const fields: { tag: number; value: Buffer }[] = [];
  let at = headerBytes;
  while (at < raw.length) {
    if (raw.length - at < fieldBytes) return null;
    const tag = raw.readUInt16LE(at);
    const length = raw.readUInt32LE(at + 4);
    const end = at + fieldBytes + length;
    if (end > raw.length) return null;
    fields.push({ tag, value: raw.subarray(at + fieldBytes, end) });
    at = end + ((4 - (length % 4)) % 4);
  }
  return at === raw.length ? new WireMessage(raw.readUInt16LE(6), raw.readUInt32LE(8), fields) : null;
}
