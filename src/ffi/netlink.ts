/**
 * Interfaces, addresses, routes and neighbours by rtnetlink(7): what `ip` does, without a program to start. Every order is
 * obeyed by the kernel before the call returns, in the network namespace the calling thread is in.
 */
import { Fd } from "./fd.ts";
import { checked, libc, SyscallError } from "./libc.ts";

const cSocket = libc.func("int socket(int, int, int)");
const cSend = libc.func("int64 send(int, void*, size_t, int)");
const cRecv = libc.func("int64 recv(int, void*, size_t, int)");

const AF_INET = 2;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;

const NLMSG_ERROR = 2;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_NEWADDR = 20;
const RTM_NEWROUTE = 24;
const RTM_NEWNEIGH = 28;
/** NLM_F_REQUEST | NLM_F_ACK */
const ordered = 0x5;
/** NLM_F_CREATE | NLM_F_EXCL */
const fresh = 0x600;

const headerBytes = 16;

/** An attribute with raw bytes, or with attributes inside. */
function attribute(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = 4 + parts.reduce((sum, part) => sum + part.length, 0);
  const raw = new Uint8Array((length + 3) & ~3);
  const view = new DataView(raw.buffer);
  view.setUint16(0, length, true);
  view.setUint16(2, type, true);
  let at = 4;
  for (const part of parts) {
    raw.set(part, at);
    at += part.length;
  }
  return raw;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`);
const u32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);

/** Sends one order and takes its answer. @throws SyscallError named after the order, with the kernel's errno */
function order(name: string, type: number, flags: number, subject: string, parts: Uint8Array[]): void {
  const length = headerBytes + parts.reduce((sum, part) => sum + part.length, 0);
  const message = new Uint8Array(length);
  const view = new DataView(message.buffer);
  view.setUint32(0, length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, ordered | flags, true);
  view.setUint32(8, 1, true);
  let at = headerBytes;
  for (const part of parts) {
    message.set(part, at);
    at += part.length;
  }
  using socket = new Fd(
    checked(cSocket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) as number, "socket", "netlink"),
  );
  checked(Number(cSend(socket.number, message, message.length, 0)), name, subject);
  // The kernel answers within send: the acknowledgement is there.
  const answer = new DataView(new ArrayBuffer(4096));
  checked(Number(cRecv(socket.number, answer, answer.byteLength, MSG_DONTWAIT)), name, subject);
  const result = answer.getUint16(4, true) === NLMSG_ERROR ? answer.getInt32(headerBytes, true) : 0;
  if (result < 0) throw new SyscallError(name, -result, subject);
}

/** struct ifinfomsg */
function interfaceMessage(index: number, up: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setInt32(4, index, true);
  view.setUint32(8, up ? 1 : 0, true);
  view.setUint32(12, up ? 1 : 0, true);
  return new Uint8Array(view.buffer);
}

/** One end of a veth pair. */
export interface VethEnd {
  readonly name: string;
  /** Six bytes. */
  readonly mac: Uint8Array;
}

/**
 * Makes a veth pair: one end here, the other in a namespace. Both are down.
 * @throws SyscallError EEXIST when there is an interface of that name
 */
export function makeVeth(here: VethEnd, there: VethEnd, namespace: Fd, mtuBytes: number): void {
  const end = ({ name, mac }: VethEnd): Uint8Array[] => [
    attribute(3, text(name)), // IFLA_IFNAME
    attribute(1, mac), // IFLA_ADDRESS
    attribute(4, u32(mtuBytes)), // IFLA_MTU
  ];
  const peer = attribute(1, interfaceMessage(0, false), ...end(there), attribute(28, u32(namespace.number))); // VETH_INFO_PEER, IFLA_NET_NS_FD
  const info = attribute(18, attribute(1, text("veth")), attribute(2, peer)); // IFLA_LINKINFO: KIND, DATA
  order("RTM_NEWLINK", RTM_NEWLINK, fresh, here.name, [interfaceMessage(0, false), ...end(here), info]);
}

/** Removes an interface; a veth pair goes as a whole. @throws SyscallError ENODEV when it is gone */
export function removeLink(index: number): void {
  order("RTM_DELLINK", RTM_DELLINK, 0, `interface ${index}`, [interfaceMessage(index, false)]);
}

/** @throws SyscallError */
export function setLinkUp(index: number): void {
  order("RTM_NEWLINK", RTM_NEWLINK, 0, `interface ${index}`, [interfaceMessage(index, true)]);
}

/** Gives an interface an IPv4 address of its own alone (/32): no route comes with it. @throws SyscallError */
export function addAddress(index: number, address: Uint8Array): void {
  const message = new DataView(new ArrayBuffer(8));
  message.setUint8(0, AF_INET);
  message.setUint8(1, 32);
  message.setUint32(4, index, true);
  const parts = [new Uint8Array(message.buffer), attribute(2, address), attribute(1, address)]; // IFA_LOCAL, IFA_ADDRESS
  order("RTM_NEWADDR", RTM_NEWADDR, fresh, address.join("."), parts);
}

const mainTable = 254;
const byAdministrator = 4;
const linkScope = 253;
const universe = 0;
const unicast = 1;

export interface Route {
  /** IPv4; `null`: everything else (default). */
  readonly target: Uint8Array | null;
  readonly index: number;
  /** `null`: on the link itself. */
  readonly gateway: Uint8Array | null;
  /** Which of our addresses packets get; `null`: the kernel chooses. */
  readonly source: Uint8Array | null;
}

/** Adds an IPv4 route to one address, or the default. @throws SyscallError EEXIST when there is such a route */
export function addRoute({ target, index, gateway, source }: Route): void {
  const message = new Uint8Array(12);
  message[0] = AF_INET;
  message[1] = target === null ? 0 : 32;
  message.set([mainTable, byAdministrator, gateway === null ? linkScope : universe, unicast], 4);
  const parts: Uint8Array[] = [message, attribute(4, u32(index))]; // RTA_OIF
  if (target !== null) parts.push(attribute(1, target)); // RTA_DST
  if (gateway !== null) parts.push(attribute(5, gateway)); // RTA_GATEWAY
  if (source !== null) parts.push(attribute(7, source)); // RTA_PREFSRC
  order("RTM_NEWROUTE", RTM_NEWROUTE, fresh, target?.join(".") ?? "default", parts);
}

/** NUD_PERMANENT */
const permanent = 0x80;

/** Says once and for all which hardware address an IPv4 neighbour has: nobody is asked. @throws SyscallError */
export function addNeighbour(index: number, address: Uint8Array, mac: Uint8Array): void {
  const message = new DataView(new ArrayBuffer(12));
  message.setUint8(0, AF_INET);
  message.setInt32(4, index, true);
  message.setUint16(8, permanent, true);
  const parts = [new Uint8Array(message.buffer), attribute(1, address), attribute(2, mac)]; // NDA_DST, NDA_LLADDR
  order("RTM_NEWNEIGH", RTM_NEWNEIGH, fresh, address.join("."), parts);
}
