/**
 * Hands the datagrams that came while a UDP function slept to its successor. The kernel moves connections from socket to
 * socket, but no datagrams: they are read from the held socket and sent again under their own source and target
 * addresses, within this machine. (Giving the process the held socket itself would mean to change a restored process'
 * descriptors from outside; to reply on its behalf would be a proxy.)
 *
 * Nothing is lost and nothing comes twice: the held socket first stops taking datagrams, each of which from then on finds
 * the successor, and is then read to its end. Order is kept among those that waited; a new one may overtake them, as UDP
 * allows.
 */
import { closeToStrangers, DatagramForwarder, receiveDatagram } from "../../ffi/datagram.ts";
import type { Fd } from "../../ffi/fd.ts";

/** More than a receive buffer can hold: a bound for the loop, not for clients. */
const maxDatagrams = 1_000_000;

/** What became of the datagrams that waited. */
export interface PassedDatagrams {
  readonly passed: number;
  readonly lost: number;
  /** Why the last one was lost; `null` when none was. */
  readonly why: string | null;
}

/**
 * Sends on what waits in a held socket; the successor is bound already. A datagram that the machine does not let through
 * (a packet filter, loopback that is down) is lost, as the network may lose any, and is counted: it must not cost the
 * wake.
 */
export function passDatagrams(held: Fd): PassedDatagrams {
  let passed = 0;
  let lost = 0;
  let why: string | null = null;
  using forwarder = new DatagramForwarder();
  try {
    closeToStrangers(held);
  } catch (error) {
    why = words(error);
  }
  while (passed + lost < maxDatagrams) {
    const datagram = receiveDatagram(held);
    if (datagram === null) break;
    try {
      forwarder.send(datagram);
      passed += 1;
    } catch (error) {
      lost += 1;
      why = words(error);
    }
  }
  return { passed, lost, why };
}

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Throws away what waits, so that a wake that failed is not tried again for it. Returns how many. */
export function discardDatagrams(held: Fd): number {
  let count = 0;
  while (count < maxDatagrams && receiveDatagram(held) !== null) count++;
  return count;
}
