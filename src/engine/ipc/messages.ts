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

/** A message to be sent; `lead` stands before the body, which need not be copied for it. */
export interface OutgoingMessage extends RingMessage {
  readonly lead: Uint8Array;
}

/** What takes the parts: a ring, which copies both. */
export interface PartWriter {
  readonly payloadLimitBytes: number;
  tryWrite(payload: Uint8Array, lead: Uint8Array, leadBytes: number): boolean;
}

/** Longest `lead`, bytes. */
export const maxLeadBytes = 16;
const head = new Uint8Array(messageHeaderBytes + maxLeadBytes);
const headView = new DataView(head.buffer);

/** Number of parts a message takes, `bytes` being lead and body, in a ring of that payload limit. */
export function partCount(bytes: number, payloadLimitBytes: number): number {
  return Math.max(1, Math.ceil(bytes / (payloadLimitBytes - messageHeaderBytes)));
}

/** Writes one part of a message; false when there is no room. */
export function writePart(writer: PartWriter, message: OutgoingMessage, index: number): boolean {
  const { type, requestId, lead, body } = message;
  const room = writer.payloadLimitBytes - messageHeaderBytes;
  // Places in the body: the first part is shorter by the lead.
  const start = Math.max(0, index * room - lead.length);
  const end = Math.min((index + 1) * room - lead.length, body.length);
  head[0] = messageVersion;
  head[1] = messageTypes[type] | (end < body.length ? more : 0);
  headView.setBigUint64(2, requestId, true);
  let headBytes = messageHeaderBytes;
  if (index === 0) {
    head.set(lead, messageHeaderBytes);
    headBytes += lead.length;
  }
  const piece = start === 0 && end === body.length ? body : body.subarray(start, end);
  return writer.tryWrite(piece, head, headBytes);
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
