/**
 * Copies of packets as they pass, by a packet socket (packet(7)): both directions, of any interface, beside whatever XDP
 * program is attached, and nothing of the traffic changes. A packet that an AF_XDP socket takes is gone before and not seen.
 */
import koffi from "koffi";
import { Epoll, epollIn } from "./epoll.ts";
import { Fd } from "./fd.ts";
import { checked, errno, lastErrno, libc, SyscallError } from "./libc.ts";
import { portFilter } from "./port-filter.ts";
import { XdpSocketError } from "./xsk/errors.ts";
import { interfaceIndex } from "./xsk/network-namespace.ts";

const cSocket = libc.func("int socket(int, int, int)");
const cBind = libc.func("int bind(int, void*, uint)");
const cSetsockopt = libc.func("int setsockopt(int, int, int, void*, uint)");
const cGetsockopt = libc.func("int getsockopt(int, int, int, void*, void*)");
const cRecvmsg = libc.func("int64 recvmsg(int, uint64, int)");
const cIfIndexToName = libc.func("void* if_indextoname(uint, void*)");

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_RCVBUF = 8;
const SO_TIMESTAMPNS = 35;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const PACKET_AUXDATA = 8;
const ETH_P_ALL = 3;
const MSG_TRUNC = 0x20;
const PACKET_OUTGOING = 4;
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;
const TP_STATUS_VLAN_VALID = 0x10;
const TP_STATUS_VLAN_TPID_VALID = 0x40;
const ENETDOWN = 100;

/** Room for a burst. */
const receiveBufferBytes = 4 * 1024 * 1024;
/** Of one packet; longer ones are cut. */
const packetBytes = 262_144;
/** struct msghdr (56), struct iovec (16), struct sockaddr_ll (20), control, data. */
const iovecAt = 56;
const nameAt = 72;
const nameBytes = 20;
const controlAt = 96;
const controlBytes = 160;
const dataAt = controlAt + controlBytes;

export interface TappedPacket {
  readonly atNs: bigint;
  readonly interface: string;
  readonly bytes: Uint8Array;
  /** Of the whole packet. */
  readonly lengthBytes: number;
}

export class PacketCapture implements Disposable {
  readonly #fd: Fd;
  readonly #epoll: Epoll;
  readonly #block = koffi.alloc("uint8_t", dataAt + packetBytes) as bigint;
  readonly #base: bigint;
  readonly #view: DataView<ArrayBuffer>;
  readonly #names = new Map<number, string>();
  #dropped = 0;
  #wake: () => void = () => undefined;

  /**
   * Begins. Without an interface all of the network namespace that carry Ethernet, loopback too; with a port only TCP and
   * UDP from or to it, as the kernel filters.
   * @param bufferBytes how much may wait to be read, before the kernel drops
   * @throws XdpSocketError Permission, NoDevice, Unsupported
   */
  constructor(device: string | null, port: number | null, bufferBytes: number = receiveBufferBytes) {
    using cleanup = new DisposableStack();
    const index = device === null ? 0 : interfaceIndex(device);
    try {
      // Protocol 0: nothing comes before the filter is there and the bind says what.
      const type = SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC;
      this.#fd = cleanup.use(new Fd(checked(cSocket(AF_PACKET, type, 0) as number, "socket")));
      this.#option(SOL_SOCKET, SO_RCVBUF, bufferBytes);
      this.#option(SOL_SOCKET, SO_TIMESTAMPNS, 1);
      this.#option(SOL_PACKET, PACKET_AUXDATA, 1);
      if (port !== null) this.#attach(portFilter(port));
      const address = new DataView(new ArrayBuffer(nameBytes));
      address.setUint16(0, AF_PACKET, true);
      address.setUint16(2, ETH_P_ALL, false);
      address.setInt32(4, index, true);
      checked(cBind(this.#fd.number, address, nameBytes) as number, "bind");
    } catch (error) {
      throw captureError(error, device);
    }
    this.#base = koffi.address(this.#block);
    this.#view = new DataView(koffi.view(this.#block, dataAt + packetBytes));
    this.#epoll = cleanup.use(new Epoll(() => this.#wake()));
    cleanup.move();
  }

  #option(level: number, name: number, value: number): void {
    checked(cSetsockopt(this.#fd.number, level, name, new Int32Array([value]), 4) as number, "setsockopt");
  }

  /** `struct sock_fprog`: the number of instructions, and where they are. */
  #attach(instructions: Uint8Array): void {
    const memory = koffi.alloc("uint8_t", instructions.length) as bigint;
    try {
      new Uint8Array(koffi.view(memory, instructions.length)).set(instructions);
      const program = new DataView(new ArrayBuffer(16));
      program.setUint16(0, instructions.length / 8, true);
      program.setBigUint64(8, koffi.address(memory), true);
      checked(
        cSetsockopt(this.#fd.number, SOL_SOCKET, SO_ATTACH_FILTER, program, 16) as number,
        "setsockopt",
        "filter",
      );
    } finally {
      koffi.free(memory);
    }
  }

  /** Up to `most` packets, as soon as there is one; none once it was closed. @throws XdpSocketError DeviceGone */
  async next(most: number): Promise<TappedPacket[]> {
    while (this.#fd.isOpen) {
      const packets: TappedPacket[] = [];
      // Bounded also by what is read and not wanted.
      for (let reads = 0; reads < 4 * most && packets.length < most; reads++) {
        const packet = this.#read();
        if (packet === "nothing") break;
        if (packet !== null) packets.push(packet);
      }
      if (packets.length > 0) return packets;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      this.#epoll.add(this.#fd, epollIn, () => resolve());
      await promise;
      if (this.#fd.isOpen) this.#epoll.remove(this.#fd);
    }
    return [];
  }

  /** null: a packet that is not wanted. */
  #read(): TappedPacket | null | "nothing" {
    const view = this.#view;
    view.setBigUint64(0, this.#base + BigInt(nameAt), true);
    view.setUint32(8, nameBytes, true);
    view.setBigUint64(16, this.#base + BigInt(iovecAt), true);
    view.setBigUint64(24, 1n, true);
    view.setBigUint64(32, this.#base + BigInt(controlAt), true);
    view.setBigUint64(40, BigInt(controlBytes), true);
    view.setBigUint64(iovecAt, this.#base + BigInt(dataAt), true);
    view.setBigUint64(iovecAt + 8, BigInt(packetBytes), true);
    const length = Number(cRecvmsg(this.#fd.number, this.#base, MSG_TRUNC));
    if (length < 0) {
      const error = lastErrno();
      if (error === errno.EAGAIN || error === errno.EINTR) return "nothing";
      if (error === ENETDOWN) {
        throw new XdpSocketError("DeviceGone", "the packet capture ended", {
          why: "its interface was removed or taken down",
        });
      }
      throw new SyscallError("recvmsg", error);
    }
    const type = view.getUint16(nameAt + 8, true);
    if (type !== ARPHRD_ETHER && type !== ARPHRD_LOOPBACK) return null;
    // On loopback every packet goes out and comes in: once is enough.
    if (type === ARPHRD_LOOPBACK && view.getUint8(nameAt + 10) === PACKET_OUTGOING) return null;
    const { atNs, tag } = this.#control();
    const captured = new Uint8Array(view.buffer, dataAt, Math.min(length, packetBytes));
    const bytes = tag === null ? captured.slice() : withTag(captured, tag);
    const lengthBytes = length + bytes.length - captured.length;
    return { atNs, interface: this.#name(view.getInt32(nameAt + 4, true)), bytes, lengthBytes };
  }

  /** The time, and the VLAN tag, which the kernel has taken out of the packet. */
  #control(): { atNs: bigint; tag: number | null } {
    const view = this.#view;
    let atNs = 0n;
    let tag: number | null = null;
    const end = controlAt + Number(view.getBigUint64(40, true));
    for (let at = controlAt; at + 16 <= end;) {
      const bytes = Number(view.getBigUint64(at, true));
      if (bytes < 16) break;
      const level = view.getInt32(at + 8, true);
      const type = view.getInt32(at + 12, true);
      if (level === SOL_SOCKET && type === SO_TIMESTAMPNS) {
        atNs = view.getBigInt64(at + 16, true) * 1_000_000_000n + view.getBigInt64(at + 24, true);
      } else if (level === SOL_PACKET && type === PACKET_AUXDATA) {
        const status = view.getUint32(at + 16, true);
        const protocol = (status & TP_STATUS_VLAN_TPID_VALID) === 0 ? 0x8100 : view.getUint16(at + 34, true);
        if ((status & TP_STATUS_VLAN_VALID) !== 0) tag = protocol * 0x1_0000 + view.getUint16(at + 32, true);
      }
      at += (bytes + 7) & ~7;
    }
    return { atNs, tag };
  }

  #name(index: number): string {
    const known = this.#names.get(index);
    if (known !== undefined) return known;
    const text = new Uint8Array(16);
    const found = cIfIndexToName(index, text) as bigint | null;
    const name =
      found === null ? `#${index}` : Buffer.from(text.subarray(0, text.indexOf(0))).toString("latin1");
    this.#names.set(index, name);
    return name;
  }

  /** Packets that came while nobody read and the buffer was full, since the beginning. */
  get dropped(): number {
    if (!this.#fd.isOpen) return this.#dropped;
    const raw = new Uint32Array(2);
    // Reading clears it.
    const size = new Uint32Array([8]);
    if ((cGetsockopt(this.#fd.number, SOL_PACKET, PACKET_STATISTICS, raw, size) as number) === 0)
      this.#dropped += raw[1] ?? 0;
    return this.#dropped;
  }

  /** Ends `next`. */
  [Symbol.dispose](): void {
    if (!this.#fd.isOpen) return;
    void this.dropped;
    this.#epoll[Symbol.dispose]();
    this.#fd.close();
    this.#view.buffer.transfer();
    koffi.free(this.#block);
    this.#wake();
  }
}

function withTag(packet: Uint8Array, tag: number): Uint8Array {
  if (packet.length < 12) return packet.slice();
  const bytes = new Uint8Array(packet.length + 4);
  bytes.set(packet.subarray(0, 12));
  new DataView(bytes.buffer).setUint32(12, tag);
  bytes.set(packet.subarray(12), 16);
  return bytes;
}

function captureError(error: unknown, device: string | null): unknown {
  if (!(error instanceof SyscallError)) return error;
  const what = `packets ${device === null ? "" : `of ${device} `}cannot be captured`;
  const details = { why: error.message, data: { device, errno: error.code }, cause: error };
  return error.errno === errno.EPERM
    ? new XdpSocketError("Permission", what, { ...details, hint: "Run as root, or with CAP_NET_RAW." })
    : new XdpSocketError("Unsupported", what, details);
}
