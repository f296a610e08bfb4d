/** Stream sockets of the reactor: held and placeholder listeners, the handshake socket, probes. None of them blocks. */
import { checked, errno, lastErrno, libc, SyscallError } from "./libc.ts";
import { Fd } from "./fd.ts";

const cSocket = libc.func("int socket(int, int, int)");
const cBind = libc.func("int bind(int, void*, uint)");
const cListen = libc.func("int listen(int, int)");
const cConnect = libc.func("int connect(int, void*, uint)");
const cAccept4 = libc.func("int accept4(int, void*, void*, int)");
const cSetsockopt = libc.func("int setsockopt(int, int, int, void*, uint)");
const cGetsockopt = libc.func("int getsockopt(int, int, int, void*, void*)");
const cGetsockname = libc.func("int getsockname(int, void*, void*)");
const cShutdown = libc.func("int shutdown(int, int)");

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const SO_LINGER = 13;
const SO_REUSEPORT = 15;
const SO_ACCEPTCONN = 30;
const SO_NETNS_COOKIE = 71;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

/** An address and port as people write them. */
export interface InetAddress {
  readonly family: typeof AF_INET | typeof AF_INET6;
  readonly address: Uint8Array;
  readonly port: number;
}

function encodeAddress({ family, address, port }: InetAddress): Uint8Array {
  const size = family === AF_INET ? 16 : 28;
  const raw = new DataView(new ArrayBuffer(size));
  raw.setUint16(0, family, true);
  raw.setUint16(2, port, false);
  new Uint8Array(raw.buffer).set(address, family === AF_INET ? 4 : 8);
  return new Uint8Array(raw.buffer);
}

/** 127.0.0.1 or ::1. */
export function loopback(family: typeof AF_INET | typeof AF_INET6, port: number): InetAddress {
  const address = new Uint8Array(family === AF_INET ? 4 : 16);
  if (family === AF_INET) address.set([127, 0, 0, 1]);
  else address[15] = 1;
  return { family, address, port };
}

export function inetSocket(family: typeof AF_INET | typeof AF_INET6): Fd {
  return new Fd(checked(cSocket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) as number, "socket"));
}

/** Starts a connection. True: established at once; false: writable later, then `socketError`. */
export function connectInet(fd: Fd, target: InetAddress): boolean {
  const raw = encodeAddress(target);
  if ((cConnect(fd.number, raw, raw.length) as number) === 0) return true;
  const error = lastErrno();
  if (error === errno.EINPROGRESS) return false;
  throw new SyscallError("connect", error, `port ${target.port}`);
}

/** The pending error of a socket, 0 for none (SO_ERROR clears it). */
export function socketError(fd: Fd): number {
  const value = new Int32Array(1);
  checked(cGetsockopt(fd.number, SOL_SOCKET, SO_ERROR, value, new Uint32Array([4])) as number, "getsockopt");
  return value[0] ?? 0;
}

const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** tcpi_state and tcpi_unacked of struct tcp_info (linux/tcp.h). */
const tcpStateAt = 0;
const tcpUnackedAt = 24;

/** States of a TCP socket that is none of a connection (net/tcp_states.h). */
export const tcpClose = 7;
export const tcpListen = 10;

/** What the kernel says of a TCP socket; `null` for a socket of another kind. */
export function tcpInfo(fd: Fd): { readonly state: number; readonly queued: number } | null {
  const info = new DataView(new ArrayBuffer(256));
  if ((cGetsockopt(fd.number, IPPROTO_TCP, TCP_INFO, info, new Uint32Array([256])) as number) !== 0)
    return null;
  const state = info.getUint8(tcpStateAt);
  // Of a listener it is the length of its accept queue (net/ipv4/tcp.c, tcp_get_info).
  return { state, queued: state === tcpListen ? info.getUint32(tcpUnackedAt, true) : 0 };
}

/** Whether it is a socket that accepts connections. */
export function isListening(fd: Fd): boolean {
  const value = new Int32Array(1);
  return (
    (cGetsockopt(fd.number, SOL_SOCKET, SO_ACCEPTCONN, value, new Uint32Array([4])) as number) === 0 &&
    value[0] === 1
  );
}

function setFlag(fd: Fd, level: number, option: number, on: boolean): void {
  checked(cSetsockopt(fd.number, level, option, new Int32Array([on ? 1 : 0]), 4) as number, "setsockopt");
}

export function setReusePort(fd: Fd, on = true): void {
  setFlag(fd, SOL_SOCKET, SO_REUSEPORT, on);
}

const TCP_DEFER_ACCEPT = 9;

/**
 * A listener shows a connection only once its client has sent data, or after so long; 0: at once (tcp(7)). The kernel
 * counts the time in retransmissions, and so it is the next longer one of 1, 3, 7, 15, 31, 63 seconds.
 */
export function setDeferAccept(fd: Fd, seconds: number): void {
  checked(
    cSetsockopt(fd.number, IPPROTO_TCP, TCP_DEFER_ACCEPT, new Int32Array([seconds]), 4) as number,
    "setsockopt",
  );
}

/** `listen` again raises the backlog of a listening socket (net/ipv4/af_inet.c, inet_listen). */
export function listen(fd: Fd, backlog: number): void {
  checked(cListen(fd.number, backlog) as number, "listen");
}

/** Where a socket listens, so that another can be opened in its place. */
export interface ListenAddress extends InetAddress {
  /** AF_INET6 only: IPv4 clients do not reach it. */
  readonly v6Only: boolean;
}

/** All addresses of a family; dual-stack for AF_INET6. */
export function anyAddress(family: typeof AF_INET | typeof AF_INET6, port: number): ListenAddress {
  return { family, address: new Uint8Array(family === AF_INET ? 4 : 16), port, v6Only: false };
}

/** Binds and listens. Throws SyscallError EADDRINUSE when the port is taken. */
export function listenInet(target: ListenAddress, backlog: number): Fd {
  const fd = inetSocket(target.family);
  try {
    setFlag(fd, SOL_SOCKET, SO_REUSEADDR, true);
    setFlag(fd, SOL_SOCKET, SO_REUSEPORT, true);
    if (target.family === AF_INET6) setFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY, target.v6Only);
    const raw = encodeAddress(target);
    checked(cBind(fd.number, raw, raw.length) as number, "bind", `port ${target.port}`);
    listen(fd, backlog);
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/**
 * Takes a TCP port without listening on it: nobody else gets it, and clients are refused.
 * @throws SyscallError EADDRINUSE when it is taken
 */
export function reservePort(target: ListenAddress): Fd {
  try {
    return bindOnly(target, false);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== errno.EADDRINUSE) throw error;
    // Connections of an earlier server that wait for their end (TIME_WAIT) are in the way of a strict bind; a listener is
    // in the way of this one too. Programs that set SO_REUSEADDR can take a port held like this.
    return bindOnly(target, true);
  }
}

function bindOnly(target: ListenAddress, besideOld: boolean): Fd {
  const fd = inetSocket(target.family);
  try {
    setFlag(fd, SOL_SOCKET, SO_REUSEADDR, besideOld);
    if (target.family === AF_INET6) setFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY, target.v6Only);
    const raw = encodeAddress(target);
    checked(cBind(fd.number, raw, raw.length) as number, "bind", `port ${target.port}`);
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** A name of the network namespace's own (unix(7), abstract): one holder at a time, free again when it is closed or dies. */
export function takeName(name: string): Fd | null {
  const text = new TextEncoder().encode(name);
  const raw = new Uint8Array(3 + text.length);
  raw[0] = AF_UNIX;
  raw.set(text, 3);
  const fd = new Fd(checked(cSocket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) as number, "socket"));
  if ((cBind(fd.number, raw, raw.length) as number) === 0) return fd;
  const error = lastErrno();
  fd.close();
  if (error === errno.EADDRINUSE) return null;
  throw new SyscallError("bind", error, name);
}

/** Where an inet socket listens. Throws SyscallError for a socket of another family. */
export function listenAddress(fd: Fd): ListenAddress {
  const address = localAddress(fd);
  if (address === null) throw new SyscallError("getsockname", errno.EINVAL, "not an inet socket");
  const value = new Int32Array(1);
  if (address.family === AF_INET6) {
    checked(
      cGetsockopt(fd.number, IPPROTO_IPV6, IPV6_V6ONLY, value, new Uint32Array([4])) as number,
      "getsockopt",
    );
  }
  return { ...address, v6Only: value[0] === 1 };
}

/** A listening unix socket; the file must not exist. */
export function listenUnix(path: string, backlog: number): Fd {
  const name = new TextEncoder().encode(path);
  if (name.length > 107)
    throw new RangeError(`socket path of ${name.length} bytes; 107 is the limit: ${path}`);
  const raw = new Uint8Array(2 + name.length + 1);
  raw[0] = AF_UNIX;
  raw.set(name, 2);
  const fd = new Fd(
    checked(cSocket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) as number, "socket"),
  );
  try {
    checked(cBind(fd.number, raw, raw.length) as number, "bind", path);
    listen(fd, backlog);
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** Takes a connection from a non-blocking listener; `null` when none waits (or it went away meanwhile). */
export function accept(fd: Fd): Fd | null {
  const got = cAccept4(fd.number, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC) as number;
  if (got >= 0) return new Fd(got);
  const error = lastErrno();
  // accept(2): errors already pending on the new socket are passed on; treat them as "went away".
  if (error === errno.EINVAL || error === 9) throw new SyscallError("accept4", error);
  return null;
}

/** Closes so that the peer sees a reset, not an orderly end (socket(7), SO_LINGER with 0). */
export function closeWithReset(fd: Fd): void {
  cSetsockopt(fd.number, SOL_SOCKET, SO_LINGER, new Int32Array([1, 0]), 8);
  fd.close();
}

/** Ends our direction of a connection: the peer reads an end of file. */
export function shutdownWrite(fd: Fd): void {
  cShutdown(fd.number, 1);
}

/** Ends a connection in both directions, for whoever has it open, and closes this duplicate. */
export function endConnection(fd: Fd): void {
  cShutdown(fd.number, 2);
  fd.close();
}

/** Local address and port of an inet socket; `null` for another family. */
export function localAddress(fd: Fd): InetAddress | null {
  const raw = new DataView(new ArrayBuffer(28));
  checked(cGetsockname(fd.number, raw, new Uint32Array([28])) as number, "getsockname");
  const family = raw.getUint16(0, true);
  if (family !== AF_INET && family !== AF_INET6) return null;
  const bytes = new Uint8Array(raw.buffer);
  const address = family === AF_INET ? bytes.slice(4, 8) : bytes.slice(8, 24);
  return { family, address, port: raw.getUint16(2, false) };
}

/** Identity of the network namespace a socket lives in (SO_NETNS_COOKIE, Linux 5.14). */
export function netnsCookie(fd: Fd): bigint {
  const value = new BigUint64Array(1);
  checked(
    cGetsockopt(fd.number, SOL_SOCKET, SO_NETNS_COOKIE, value, new Uint32Array([8])) as number,
    "getsockopt",
  );
  return value[0] ?? 0n;
}
