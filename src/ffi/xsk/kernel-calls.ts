/** The system calls of AF_XDP sockets, and what their errors mean (net/xdp/xsk.c, linux/if_xdp.h). */
import { checked, libc, SyscallError, lastErrno } from "../libc.ts";
import { Fd } from "../fd.ts";
import { XdpSocketError } from "./errors.ts";
import type { RingName, RingOffsets } from "./layout.ts";
import type { XskStatistics } from "./port.ts";

const cSocket = libc.func("int socket(int, int, int)");
const cBind = libc.func("int bind(int, void*, uint)");
const cSetsockopt = libc.func("int setsockopt(int, int, int, void*, uint)");
const cGetsockopt = libc.func("int getsockopt(int, int, int, void*, void*)");

const AF_XDP = 44;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_XDP = 283;
const XDP_MMAP_OFFSETS = 1;
const XDP_UMEM_REG = 4;
const XDP_STATISTICS = 7;
const XDP_OPTIONS = 8;
const XDP_OPTIONS_ZEROCOPY = 1;

/** Socket option that sets the size of a ring. */
const sizeOption = { rx: 2, tx: 3, fill: 5, completion: 6 } as const satisfies Record<RingName, number>;

/** Page offset at which a ring is mapped. */
export const ringPageOffset = {
  rx: 0n,
  tx: 0x8000_0000n,
  fill: 0x1_0000_0000n,
  completion: 0x1_8000_0000n,
} as const satisfies Record<RingName, bigint>;

export const bindFlags = { sharedUmem: 1, copy: 2, zeroCopy: 4, useNeedWakeup: 8 } as const;

export function xdpSocket(): Fd {
  return new Fd(checked(cSocket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0) as number, "socket"));
}

/** `struct xdp_umem_reg` without the transmit metadata of later kernels. */
export function registerUmem(
  fd: Fd,
  umem: { address: bigint; sizeBytes: number },
  chunkBytes: number,
  headroomBytes: number,
): void {
  const registration = new DataView(new ArrayBuffer(32));
  registration.setBigUint64(0, umem.address, true);
  registration.setBigUint64(8, BigInt(umem.sizeBytes), true);
  registration.setUint32(16, chunkBytes, true);
  registration.setUint32(20, headroomBytes, true);
  checked(cSetsockopt(fd.number, SOL_XDP, XDP_UMEM_REG, registration, 32) as number, "setsockopt", "UMEM");
}

export function setRingSize(fd: Fd, ring: RingName, entries: number): void {
  const value = new Uint32Array([entries]);
  checked(
    cSetsockopt(fd.number, SOL_XDP, sizeOption[ring], value, 4) as number,
    "setsockopt",
    `${ring} ring`,
  );
}

/** `struct xdp_mmap_offsets`: rx, tx, fill, completion, four u64 each. */
export function ringOffsets(fd: Fd): Record<RingName, RingOffsets> {
  const raw = option(fd, XDP_MMAP_OFFSETS, 128, "ring offsets");
  const at = (index: number): RingOffsets => {
    const field = (word: number): number => Number(raw.getBigUint64(index * 32 + word * 8, true));
    return { producer: field(0), consumer: field(1), entries: field(2), flags: field(3) };
  };
  return { rx: at(0), tx: at(1), fill: at(2), completion: at(3) };
}

export function isZeroCopy(fd: Fd): boolean {
  return (option(fd, XDP_OPTIONS, 4, "options").getUint32(0, true) & XDP_OPTIONS_ZEROCOPY) !== 0;
}

export function readStatistics(fd: Fd): XskStatistics {
  const raw = option(fd, XDP_STATISTICS, 48, "statistics");
  const field = (index: number): number => Number(raw.getBigUint64(index * 8, true));
  return {
    rxDropped: field(0),
    rxInvalidDescriptors: field(1),
    txInvalidDescriptors: field(2),
    rxRingFull: field(3),
    rxFillRingEmpty: field(4),
    txRingEmpty: field(5),
  };
}

function option(fd: Fd, name: number, bytes: number, subject: string): DataView {
  const value = new DataView(new ArrayBuffer(bytes));
  checked(
    cGetsockopt(fd.number, SOL_XDP, name, value, new Uint32Array([bytes])) as number,
    "getsockopt",
    subject,
  );
  return value;
}

/** 0 when it worked, else the errno. `struct sockaddr_xdp`: family, flags, interface, queue, descriptor of the UMEM. */
export function bindSocket(fd: Fd, flags: number, ifindex: number, queue: number, umemFd: number): number {
  const address = new DataView(new ArrayBuffer(16));
  address.setUint16(0, AF_XDP, true);
  address.setUint16(2, flags, true);
  address.setUint32(4, ifindex, true);
  address.setUint32(8, queue, true);
  address.setUint32(12, umemFd, true);
  return (cBind(fd.number, address, 16) as number) === 0 ? 0 : lastErrno();
}

/** A failed step of opening, in words. */
export function openError(error: unknown, device: string, queue: number): unknown {
  if (!(error instanceof SyscallError)) return error;
  const what = `the AF_XDP socket on ${device}, queue ${queue}, cannot be opened`;
  const details = { why: error.message, data: { device, queue, errno: error.code }, cause: error };
  switch (error.code) {
    case "EPERM":
    case "EACCES":
      return new XdpSocketError("Permission", what, {
        ...details,
        hint: "Run as root, or with CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON.",
      });
    case "EBUSY":
      return new XdpSocketError("QueueBusy", what, {
        ...details,
        hint: "Another socket has this queue: close it, or choose another queue.",
      });
    case "ENOBUFS":
    case "ENOMEM":
      return new XdpSocketError("UmemTooLarge", what, {
        ...details,
        hint: "Take fewer frames, raise the limit of locked memory (ulimit -l), or set aside huge pages (vm.nr_hugepages).",
      });
    case "EAFNOSUPPORT":
    case "EOPNOTSUPP":
    case "EPROTONOSUPPORT":
    case "ENOPROTOOPT":
      return new XdpSocketError("Unsupported", what, {
        ...details,
        hint: "The kernel (CONFIG_XDP_SOCKETS) or the driver lacks it; zero-copy in particular needs the driver. Try mode copy.",
      });
    case "EINVAL":
      return new XdpSocketError("NoDevice", what, {
        ...details,
        hint: `See whether the interface has that queue: ls /sys/class/net/${device}/queues`,
      });
    case "ENODEV":
    case "ENXIO":
    case "ENETDOWN":
      return new XdpSocketError("NoDevice", what, { ...details, hint: "See `ip link`; it must be up." });
    default:
      return new XdpSocketError("Unsupported", what, details);
  }
}
