/**
 * What is said over the rings. A message is one or more entries, its parts: `version u8`, `type u8`, `request id u64`, and
 * a piece of the body. Bit 7 of the type says that more parts follow; parts of different requests may alternate.
 */
import type { BodyEncoding } from "../../protocol/invocations.ts";
import { corrupted } from "./ring-layout.ts";

export const messageVersion = 1;
export const messageHeaderBytes = 10;
const more = 0x80;

/**
 * `request` (engine to handler): `timeout u32` in ms, `encoding u8`, then the event. `response` (handler to engine):
 * `encoding u8`, then the result. `failure` (handler to engine): JSON `{errorType, errorMessage, stackTrace?}`. `cancel`
 * (engine to handler): no body; nobody waits for the answer any more.
 */
export const messageTypes = { request: 1, response: 2, failure: 3, cancel: 4 } as const;
export type MessageType = keyof typeof messageTypes;

/** How a body is to be read (protocol/invocations.ts). */
export const bodyEncodings = { json: 0, raw: 1 } as const satisfies Record<BodyEncoding, number>;

const typeNames = new Map<number, MessageType>(
  (Object.entries(messageTypes) as [MessageType, number][]).map(([name, number]) => [number, name]),
);

export interface RingMessage {
  readonly type: MessageType;
  readonly requestId: bigint;
  readonly body: Uint8Array;
}

/** Number of parts a body takes in a ring of that payload limit. */
export function partCount(bodyBytes: number, payloadLimitBytes: number): number {
  return Math.max(1, Math.ceil(bodyBytes / (payloadLimitBytes - messageHeaderBytes)));
}

/** One part of a message, ready to be written. */
export function encodePart(message: RingMessage, index: number, payloadLimitBytes: number): Uint8Array {
  const room = payloadLimitBytes - messageHeaderBytes;
  const start = index * room;
  const end = Math.min(start + room, message.body.length);
  const part = Buffer.allocUnsafe(messageHeaderBytes + end - start);
  part[0] = messageVersion;
  part[1] = messageTypes[message.type] | (end < message.body.length ? more : 0);
  part.writeBigUInt64LE(message.requestId, 2);
  part.set(start === 0 && end === message.body.length ? message.body : message.body.subarray(start, end), 10);
  return part;
}

export interface MessageLimits {
  /** Longest body. */
  readonly bodyBytes: number;
  /** Messages begun and not complete. */
  readonly open: number;
}

interface Begun {
  readonly type: number;
  readonly parts: Uint8Array[];
  bytes: number;
}

/** Puts messages together from the parts that a peer sends; every bound is checked. */
export class MessageAssembler {
  readonly #limits: MessageLimits;
  readonly #begun = new Map<bigint, Begun>();

  constructor(limits: MessageLimits) {
    this.#limits = limits;
  }

  /**
   * Takes one entry; returns the message it completes, else `null`.
   * @throws AetherError AE_SHM_CORRUPTED
   */
  take(entry: Uint8Array): RingMessage | null {
    if (entry.length < messageHeaderBytes || entry[0] !== messageVersion)
      throw corrupted("message", { bytes: entry.length }, `it is no message of version ${messageVersion}`);
    const typed = entry[1] ?? 0;
    const number = typed & ~more;
    const type = typeNames.get(number);
    if (type === undefined) throw corrupted("message", { type: number }, "there is no such type");
    const requestId = new DataView(entry.buffer, entry.byteOffset, messageHeaderBytes).getBigUint64(2, true);
    const piece = entry.subarray(messageHeaderBytes);
    const begun = this.#begun.get(requestId);
    if (begun === undefined && (typed & more) === 0) return { type, requestId, body: piece };
    const whole = begun ?? this.#begin(requestId, number);
    if (whole.type !== number)
      throw corrupted("message", { type: number }, "parts of one message are of two types");
    whole.bytes += piece.length;
    if (whole.bytes > this.#limits.bodyBytes)
      throw corrupted("message", { bytes: whole.bytes }, `its body is above ${this.#limits.bodyBytes} bytes`);
    whole.parts.push(piece);
    if ((typed & more) !== 0) return null;
    this.#begun.delete(requestId);
    return { type, requestId, body: Buffer.concat(whole.parts) };
  }

  #begin(requestId: bigint, type: number): Begun {
    if (this.#begun.size >= this.#limits.open)
      throw corrupted("message", { open: this.#begun.size }, "too many messages are begun at once");
    const begun: Begun = { type, parts: [], bytes: 0 };
    this.#begun.set(requestId, begun);
    return begun;
  }

  /** Forgets a message that is not complete. */
  forget(requestId: bigint): void {
    this.#begun.delete(requestId);
  }
}
