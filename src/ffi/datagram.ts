/** UDP sockets: those that are held for a function, and the way of their datagrams to a successor. */
import koffi from "koffi";
import { Fd } from "./fd.ts";
import { checked, errno, lastErrno, libc, SyscallError } from "./libc.ts";
import { AF_INET, AF_INET6, localAddress, loopback, setReusePort } from "./socket.ts";
import type { InetAddress, ListenAddress } from "./socket.ts";

const cSocket = libc.func("int socket(int, int, int)");
const cBind = libc.func("int bind(int, void*, uint)");
const cConnect = libc.func("int connect(int, void*, uint)");
const cGetpeername = libc.func("int getpeername(int, void*, void*)");
const cSetsockopt = libc.func("int setsockopt(int, int, int, void*, uint)");
const cGetsockopt = libc.func("int getsockopt(int, int, int, void*, void*)");
const cRecvmsg = libc.func("int64 recvmsg(int, uint64, int)");
const cSendto = libc.func("int64 sendto(int, void*, size_t, int, void*, uint)");

const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const IPPROTO_IP = 0;
const IPPROTO_IPV6 = 41;
const IPPROTO_UDP = 17;
const IPPROTO_RAW = 255;
const IPV6_V6ONLY = 26;
const IP_PKTINFO = 8;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;

/** Whether it is a UDP socket that takes datagrams from anybody: bound, and not connected. */
export function isBoundDatagram(fd: Fd): boolean {
  const type = new Int32Array(1);
  if ((cGetsockopt(fd.number, SOL_SOCKET, SO_TYPE, type, new Uint32Array([4])) as number) !== 0) return false;
  if (type[0] !== SOCK_DGRAM) return false;
  const address = localAddress(fd);
  if (address === null || address.port === 0) return false;
  return (cGetpeername(fd.number, new Uint8Array(28), new Uint32Array([28])) as number) !== 0;
}

function encode({ family, address, port }: InetAddress): Uint8Array {
  const raw = new DataView(new ArrayBuffer(family === AF_INET ? 16 : 28));
  raw.setUint16(0, family, true);
  raw.setUint16(2, port, false);
  new Uint8Array(raw.buffer).set(address, family === AF_INET ? 4 : 8);
  return new Uint8Array(raw.buffer);
}

function setOption(fd: Fd, level: number, option: number, value: number): void {
  checked(cSetsockopt(fd.number, level, option, new Int32Array([value]), 4) as number, "setsockopt");
}

/** Binds a UDP socket that others may bind beside. @throws SyscallError EADDRINUSE when the port is taken */
export function bindDatagram(target: ListenAddress): Fd {
  const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = new Fd(checked(cSocket(target.family, type, 0) as number, "socket"));
  try {
    setReusePort(fd);
    if (target.family === AF_INET6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, target.v6Only ? 1 : 0);
    const raw = encode(target);
    checked(cBind(fd.number, raw, raw.length) as number, "bind", `port ${target.port}`);
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/**
 * A socket keeps at least so much while nobody reads; the kernel doubles the figure for its own needs and tells the doubled
 * one (socket(7)). Throws SyscallError.
 */
export function widenReceiveBuffer(fd: Fd, bytes: number): void {
  const now = new Int32Array(1);
  checked(
    cGetsockopt(fd.number, SOL_SOCKET, SO_RCVBUF, now, new Uint32Array([4])) as number,
    "getsockopt",
    "SO_RCVBUF",
  );
  if ((now[0] ?? 0) < 2 * bytes) setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes);
}

/**
 * Takes nothing from anybody any more, and keeps what it has: a connected socket gets the datagrams of its peer alone,
 * and its peer is a port of this machine where nobody is.
 */
export function closeToStrangers(fd: Fd): void {
  const own = localAddress(fd);
  if (own === null) throw new SyscallError("connect", errno.EINVAL, "not an inet socket");
  const any = own.address.every((byte) => byte === 0);
  const raw = encode(any ? loopback(own.family, discardPort) : { ...own, port: discardPort });
  checked(cConnect(fd.number, raw, raw.length) as number, "connect");
}

const discardPort = 9;

/** A datagram as it came: addresses of one family, IPv4 also where it came in on an IPv6 socket. */
export interface Datagram {
  readonly source: InetAddress;
  readonly target: InetAddress;
  readonly data: Uint8Array;
}

/** struct msghdr (56), struct iovec (16), the sender's address (28), control (128), data; one block a thread. */
const iovecAt = 56;
const nameAt = 72;
const controlAt = 104;
const controlBytes = 128;
const dataAt = controlAt + controlBytes;
const dataBytes = 65_536;

let block: { readonly base: bigint; readonly view: DataView; readonly bytes: Uint8Array } | null = null;

function memory(): NonNullable<typeof block> {
  if (block !== null) return block;
  const pointer = koffi.alloc("uint8_t", dataAt + dataBytes) as bigint;
  const buffer = koffi.view(pointer, dataAt + dataBytes);
  block = { base: koffi.address(pointer), view: new DataView(buffer), bytes: new Uint8Array(buffer) };
  return block;
}

/** From now on `receiveDatagram` knows to which address of this machine each datagram was sent. */
export function recordTargets(fd: Fd): void {
  const isV6 = localAddress(fd)?.family === AF_INET6;
  setOption(fd, isV6 ? IPPROTO_IPV6 : IPPROTO_IP, isV6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
}

/** Takes a datagram; `null` when none waits. @throws SyscallError */
export function receiveDatagram(fd: Fd): Datagram | null {
  const { base, view, bytes } = memory();
  const own = localAddress(fd);
  if (own === null) throw new SyscallError("recvmsg", errno.EINVAL, "not an inet socket");
  view.setBigUint64(0, base + BigInt(nameAt), true);
  view.setUint32(8, 28, true);
  view.setBigUint64(16, base + BigInt(iovecAt), true);
  view.setBigUint64(24, 1n, true);
  view.setBigUint64(32, base + BigInt(controlAt), true);
  view.setBigUint64(40, BigInt(controlBytes), true);
  view.setBigUint64(iovecAt, base + BigInt(dataAt), true);
  view.setBigUint64(iovecAt + 8, BigInt(dataBytes), true);
  const got = Number(cRecvmsg(fd.number, base, MSG_DONTWAIT));
  if (got < 0) {
    const error = lastErrno();
    if (error === errno.EAGAIN) return null;
    throw new SyscallError("recvmsg", error);
  }
  if ((view.getInt32(48, true) & MSG_TRUNC) !== 0)
    throw new SyscallError("recvmsg", errno.EINVAL, "truncated");
  const family = view.getUint16(nameAt, true);
  const at = family === AF_INET ? nameAt + 4 : nameAt + 8;
  const from = bytes.slice(at, at + (family === AF_INET ? 4 : 16));
  const data = bytes.slice(dataAt, dataAt + got);
  const source = plain(from, view.getUint16(nameAt + 2, false));
  const target = plain(targetOf(view, bytes) ?? own.address, own.port);
  // Bound to any address, or to one of the other family (an IPv4 client of an IPv6 socket).
  const known = target.family === source.family && target.address.some((byte) => byte !== 0);
  return { source, target: known ? target : loopback(source.family, own.port), data };
}

/**
 * Address of this machine that a packet was for, from the control message; `null` where it was for many (multicast), so
 * that nothing sent on leaves the machine.
 */
function targetOf(view: DataView, bytes: Uint8Array): Uint8Array | null {
  const end = controlAt + Number(view.getBigUint64(40, true));
  for (let at = controlAt; at + 16 <= end;) {
    const length = Number(view.getBigUint64(at, true));
    const level = view.getInt32(at + 8, true);
    const type = view.getInt32(at + 12, true);
    // struct in_pktinfo: index, address to answer from, address of the header. struct in6_pktinfo: address, index.
    // The second is 0 in what came before it was asked for, and not that of the header for a broadcast.
    if (level === IPPROTO_IP && type === IP_PKTINFO) {
      const answering = bytes.slice(at + 20, at + 24);
      const address = answering.some((byte) => byte !== 0) ? answering : bytes.slice(at + 24, at + 28);
      return (address[0] ?? 0) >= firstMulticast4 ? null : address;
    }
    if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO) {
      const address = bytes.slice(at + 16, at + 32);
      return address[0] === multicast6 ? null : address;
    }
    if (length < 16) return null;
    at += (length + 7) & ~7;
  }
  return null;
}

/** 224.0.0.0/4, and what is above it; ff00::/8. */
const firstMulticast4 = 224;
const multicast6 = 0xff;

/** ::ffff:1.2.3.4 is 1.2.3.4. */
function plain(address: Uint8Array, port: number): InetAddress {
  const isMapped =
    address.length === 16 &&
    address.subarray(0, 10).every((byte) => byte === 0) &&
    address[10] === 255 &&
    address[11] === 255;
  if (address.length === 16 && !isMapped) return { family: AF_INET6, address, port };
  return { family: AF_INET, address: isMapped ? address.slice(12) : address, port };
}

/** Sends datagrams under the addresses they came with, within this machine. Needs CAP_NET_RAW. */
export class DatagramForwarder implements Disposable {
  readonly #sockets = new Map<number, Fd>();

  /**
   * A packet with the original addresses, made whole here and sent through loopback: it carries its route along, and so
   * the kernel does not judge its source (net/ipv4/route.c, ip_route_input is not asked).
   * @throws SyscallError, EMSGSIZE for a datagram that no packet can hold
   */
  send(datagram: Datagram): void {
    const { family, address } = datagram.target;
    const socket = this.#socket(family).number;
    const target = encode({ family, address, port: 0 });
    for (const packet of family === AF_INET ? [packet4(datagram)] : packets6(datagram)) {
      const sent = cSendto(socket, packet, packet.length, 0, target, target.length) as number;
      if (sent < 0) throw new SyscallError("sendto", lastErrno());
    }
  }

  #socket(family: number): Fd {
    const known = this.#sockets.get(family);
    if (known !== undefined) return known;
    const type = SOCK_RAW | SOCK_CLOEXEC;
    const made = new Fd(checked(cSocket(family, type, IPPROTO_RAW) as number, "socket"));
    this.#sockets.set(family, made);
    return made;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }
}

/** RFC 768, its checksum over the pseudo-header included; 0 is sent as 0xffff. */
function udp(source: InetAddress, target: InetAddress, data: Uint8Array): Uint8Array {
  const whole = new Uint8Array(8 + data.length);
  const view = new DataView(whole.buffer);
  view.setUint16(0, source.port, false);
  view.setUint16(2, target.port, false);
  view.setUint16(4, whole.length, false);
  whole.set(data, 8);
  const sum = sumOf(source.address) + sumOf(target.address) + IPPROTO_UDP + whole.length + sumOf(whole);
  view.setUint16(6, fold(sum) === 0xffff ? 0xffff : ~fold(sum) & 0xffff, false);
  return whole;
}

function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return sum;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return folded;
}

const hops = 64;

/** The kernel fills in length, identification and checksum (raw(7)). */
function packet4({ source, target, data }: Datagram): Uint8Array {
  const body = udp(source, target, data);
  const packet = new Uint8Array(20 + body.length);
  packet[0] = 0x45;
  new DataView(packet.buffer).setUint16(2, packet.length, false);
  packet[8] = hops;
  packet[9] = IPPROTO_UDP;
  packet.set(source.address, 12);
  packet.set(target.address, 16);
  packet.set(body, 20);
  return packet;
}

const IPPROTO_FRAGMENT = 44;
/** The largest packet of a loopback interface, which the largest datagram exceeds under IPv6: it goes in two parts, as when it came. */
const loopbackMtu = 65_536;
/** Of the first part; offsets count in eights (RFC 8200, 4.5). */
const partBytes = 32_768;

function packets6({ source, target, data }: Datagram): readonly Uint8Array[] {
  const body = udp(source, target, data);
  if (40 + body.length <= loopbackMtu) return [packet6(source, target, IPPROTO_UDP, body)];
  const identification = Math.floor(Math.random() * 2 ** 32);
  return [0, partBytes].map((offset) => {
    const isLast = offset > 0;
    const bytes = isLast ? body.subarray(offset) : body.subarray(0, partBytes);
    const part = new Uint8Array(8 + bytes.length);
    const view = new DataView(part.buffer);
    part[0] = IPPROTO_UDP;
    view.setUint16(2, offset | (isLast ? 0 : 1), false);
    view.setUint32(4, identification, false);
    part.set(bytes, 8);
    return packet6(source, target, IPPROTO_FRAGMENT, part);
  });
}

function packet6(source: InetAddress, target: InetAddress, next: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(40 + payload.length);
  packet[0] = 0x60;
  new DataView(packet.buffer).setUint16(4, payload.length, false);
  packet[6] = next;
  packet[7] = hops;
  packet.set(source.address, 8);
  packet.set(target.address, 24);
  packet.set(payload, 40);
  return packet;
}
