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

/** Sends on what waits in a held socket; the successor is bound already. Returns how many. @throws SyscallError */
export function passDatagrams(held: Fd): number {
  closeToStrangers(held);
  using forwarder = new DatagramForwarder();
  let count = 0;
  for (; count < maxDatagrams; count++) {
    const datagram = receiveDatagram(held);
    if (datagram === null) break;
    forwarder.send(datagram);
  }
  return count;
}

/** Throws away what waits, so that a wake that failed is not tried again for it. Returns how many. */
export function discardDatagrams(held: Fd): number {
  let count = 0;
  while (count < maxDatagrams && receiveDatagram(held) !== null) count++;
  return count;
}
