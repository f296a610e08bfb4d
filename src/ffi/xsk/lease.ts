/**
 * For how long a packet may be looked at. Views of packets are objects used again and again; each carries the term it was
 * handed out for, and a lease whose term is over turns them all stale at once, without touching one of them.
 */
import { XdpSocketError } from "./errors.ts";

export class Lease {
  /** Counts up; views of an earlier term are stale. */
  term = 0;

  /** Ends the term: everything handed out under it throws from now on. */
  end(): void {
    this.term = (this.term + 1) | 0;
  }
}

/** A lease that never ends, for bytes that are the caller's own. */
export const forever = new Lease();

export function stale(): never {
  throw new XdpSocketError("StalePacket", "a packet was used after it was given up", {
    why: "its callback has returned, or it was sent, dropped, released or detached",
    hint: "Copy what is needed within the callback, or keep the packet with detach().",
  });
}
