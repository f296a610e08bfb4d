/**
 * The framing of CRIU's image files (criu/image.c): two magic numbers, then messages, each after its length. Edited images
 * keep every field that is not understood here.
 */
import type { ProtoField } from "../protobuf.ts";

/** IMG_COMMON_MAGIC: every image of version 1.1 begins with it. */
const commonMagic = 0x5456_4319;
const headBytes = 8;

/** The second magic number of the files that are edited (criu/include/magic.h). */
export const imageKind = { mm: 0x5749_2820, pagemap: 0x5608_4025, files: 0x5630_3138 } as const;
export type ImageKind = (typeof imageKind)[keyof typeof imageKind];

/** The messages of an image file. Throws RangeError when it is no image of that kind. */
export function splitImage(data: Buffer, kind: ImageKind): Buffer[] {
  if (data.length < headBytes || data.readUInt32LE(0) !== commonMagic || data.readUInt32LE(4) !== kind)
    throw new RangeError("no CRIU image of the expected kind");
  const messages: Buffer[] = [];
  for (let at = headBytes; at < data.length;) {
    if (data.length - at < 4) throw new RangeError("image cut short");
    const end = at + 4 + data.readUInt32LE(at);
    if (end > data.length) throw new RangeError("image cut short");
    messages.push(data.subarray(at + 4, end));
    at = end;
  }
  return messages;
}

/** The bytes of an image file of these messages. */
export function joinImage(messages: readonly Buffer[], kind: ImageKind): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32LE(commonMagic, 0);
  head.writeUInt32LE(kind, 4);
  const parts: Buffer[] = [head];
  for (const message of messages) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(message.length);
    parts.push(length, message);
  }
  return Buffer.concat(parts);
}

/** A number of a message; `null` when it lacks the field. Throws RangeError when the field is no number. */
export function numberOf(fields: readonly ProtoField[], field: number): number | null {
  const found = fields.find((entry) => entry.field === field)?.value;
  if (found === undefined) return null;
  if (typeof found !== "bigint" || found > BigInt(Number.MAX_SAFE_INTEGER))
    throw new RangeError(`field ${field} is no number that fits`);
  return Number(found);
}

/** A number that the message must have. */
export function requiredNumber(fields: readonly ProtoField[], field: number): number {
  const value = numberOf(fields, field);
  if (value === null) throw new RangeError(`field ${field} is missing`);
  return value;
}

/** Bytes of a message; `null` when it lacks the field. */
export function bytesOf(fields: readonly ProtoField[], field: number): Buffer | null {
  const found = fields.find((entry) => entry.field === field)?.value;
  return found instanceof Uint8Array ? found : null;
}
