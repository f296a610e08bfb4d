/** sendmsg and recvmsg with descriptors (SCM_RIGHTS) over SEQPACKET sockets: one call, one message. */
import koffi from "koffi";
import { checked, errno, lastErrno, libc, SyscallError } from "./libc.ts";
import { Fd } from "./fd.ts";

const cSendmsg = libc.func("int64 sendmsg(int, uint64, int)");
const cRecvmsg = libc.func("int64 recvmsg(int, uint64, int)");

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MSG_TRUNC = 0x20;
const MSG_CTRUNC = 0x08;

const maxDescriptors = 32;
const dataBytes = 262_144;
/** struct msghdr (56), struct iovec (16), control, data; one block made once a thread. */
const headerAt = 0;
const iovecAt = 56;
const controlAt = 72;
const cmsgHeaderBytes = 16;
const controlBytes = cmsgHeaderBytes + maxDescriptors * 4;
const dataAt = controlAt + controlBytes;
const blockBytes = dataAt + dataBytes;

const block = koffi.alloc("uint8_t", blockBytes) as bigint;
const base = koffi.address(block);
const memory = koffi.view(block, blockBytes);
const view = new DataView(memory);
const bytes = new Uint8Array(memory);

function prepare(dataLength: number, controlLength: number): void {
  view.setBigUint64(headerAt, 0n, true);
  view.setUint32(headerAt + 8, 0, true);
  view.setBigUint64(headerAt + 16, base + BigInt(iovecAt), true);
  view.setBigUint64(headerAt + 24, 1n, true);
  view.setBigUint64(headerAt + 32, controlLength === 0 ? 0n : base + BigInt(controlAt), true);
  view.setBigUint64(headerAt + 40, BigInt(controlLength), true);
  view.setInt32(headerAt + 48, 0, true);
  view.setBigUint64(iovecAt, base + BigInt(dataAt), true);
  view.setBigUint64(iovecAt + 8, BigInt(dataLength), true);
}

/** Sends one message. False: no room just now. Throws SyscallError (EPIPE, ECONNRESET when the peer is gone). */
export function sendMessage(socket: Fd, data: Uint8Array, descriptors: readonly number[] = []): boolean {
  if (data.length > dataBytes)
    throw new RangeError(`message of ${data.length} bytes; ${dataBytes} is the limit`);
  if (descriptors.length > maxDescriptors)
    throw new RangeError(`${descriptors.length} descriptors in one message`);
  const control = descriptors.length === 0 ? 0 : cmsgHeaderBytes + descriptors.length * 4;
  prepare(data.length, control);
  bytes.set(data, dataAt);
  if (control > 0) {
    view.setBigUint64(controlAt, BigInt(control), true);
    view.setInt32(controlAt + 8, SOL_SOCKET, true);
    view.setInt32(controlAt + 12, SCM_RIGHTS, true);
    for (const [index, fd] of descriptors.entries()) view.setInt32(controlAt + 16 + index * 4, fd, true);
  }
  // msg_controllen must be CMSG_ALIGNed to 8; the padding is inside the block.
  if (control > 0) view.setBigUint64(headerAt + 40, BigInt((control + 7) & ~7), true);
  if (Number(cSendmsg(socket.number, base, MSG_NOSIGNAL | MSG_DONTWAIT)) >= 0) return true;
  const error = lastErrno();
  if (error === errno.EAGAIN || error === errno.EINTR) return false;
  throw new SyscallError("sendmsg", error);
}

/** A received message; its descriptors are the receiver's to close. */
export interface ReceivedMessage {
  readonly data: Uint8Array;
  readonly descriptors: readonly Fd[];
}

/** Takes one message. `null`: none just now. "closed": the peer is gone. A truncated message throws. */
export function receiveMessage(socket: Fd): ReceivedMessage | null | "closed" {
  prepare(dataBytes, controlBytes);
  const got = Number(cRecvmsg(socket.number, base, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  if (got < 0) {
    const error = lastErrno();
    if (error === errno.EAGAIN || error === errno.EINTR) return null;
    if (error === errno.ECONNRESET) return "closed";
    throw new SyscallError("recvmsg", error);
  }
  const descriptors = receivedDescriptors();
  const flags = view.getInt32(headerAt + 48, true);
  if ((flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0) {
    for (const fd of descriptors) fd.close();
    throw new SyscallError("recvmsg", errno.EINVAL, "message truncated");
  }
  if (got === 0) return "closed";
  return { data: bytes.slice(dataAt, dataAt + got), descriptors };
}

function receivedDescriptors(): Fd[] {
  const length = Number(view.getBigUint64(headerAt + 40, true));
  const found: Fd[] = [];
  if (length < cmsgHeaderBytes) return found;
  const size = Number(view.getBigUint64(controlAt, true));
  if (view.getInt32(controlAt + 8, true) !== SOL_SOCKET || view.getInt32(controlAt + 12, true) !== SCM_RIGHTS)
    return found;
  const count = Math.min(Math.floor((size - cmsgHeaderBytes) / 4), maxDescriptors);
  for (let index = 0; index < count; index++)
    found.push(new Fd(view.getInt32(controlAt + 16 + index * 4, true)));
  return found;
}

const cSocketpair = libc.func("int socketpair(int, int, int, void*)");
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const AF_UNIX = 1;
const SO_SNDBUF = 7;
const cSetsockopt = libc.func("int setsockopt(int, int, int, void*, uint)");

/** A connected pair that keeps message borders. */
export function seqpacketPair(): [Fd, Fd] {
  const pair = new Int32Array(2);
  checked(cSocketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) as number, "socketpair");
  const ends: [Fd, Fd] = [new Fd(pair[0] ?? -1), new Fd(pair[1] ?? -1)];
  const size = new Int32Array([2 * dataBytes]);
  for (const end of ends) cSetsockopt(end.number, SOL_SOCKET, SO_SNDBUF, size, 4);
  return ends;
}
