/** Opens sockets of the kernel: UMEM, rings, bind, and the program that redirects to them. */
import { setTimeout as delay } from "node:timers/promises";
import { errno, SyscallError } from "../libc.ts";
import type { Fd } from "../fd.ts";
import type { XskConfig } from "./config.ts";
import { compileFilter } from "./filter.ts";
import type { PacketFilter } from "./filter.ts";
import { XdpSocketError } from "./errors.ts";
import {
  bindFlags,
  bindSocket,
  isZeroCopy,
  openError,
  registerUmem,
  ringOffsets,
  ringPageOffset,
  setRingSize,
  xdpSocket,
} from "./kernel-calls.ts";
import { KernelPort } from "./kernel-port.ts";
import type { RingRegion } from "./kernel-port.ts";
import { entryBytes, ringNames } from "./layout.ts";
import type { RingName } from "./layout.ts";
import { MappedRegion } from "./mapped-region.ts";
import { inNetworkNamespace, interfaceIndex } from "./network-namespace.ts";
import type { XskBackend, XskInterface } from "./port.ts";
import { XdpProgram } from "./xdp-program.ts";

/** Between tries to bind a queue that is busy: the kernel lets go of a closed socket's queue a little later. */
const bindRetryMs = 5;

export class KernelBackend implements XskBackend {
  async open(config: XskConfig): Promise<XskInterface> {
    await using cleanup = new AsyncDisposableStack();
    const ports: KernelPort[] = [];
    const fds: Fd[] = [];
    const umem = allocateUmem(config);
    // The ports hold the memory each for itself.
    cleanup.use(umem);
    const ifindex = inNamespace(config, () => interfaceIndex(config.device));
    for (const queue of config.queues) {
      const fd = inNamespace(config, () => opening(config, queue, xdpSocket));
      const regions = new DisposableStack();
      cleanup.use(regions);
      regions.use(fd);
      const rings = opening(config, queue, () => {
        if (fds.length === 0) {
          registerUmem(
            fd,
            { address: umem.address, sizeBytes: umemBytes(config) },
            config.frames.frameSizeBytes,
            config.frames.headroomBytes,
          );
        }
        return mapRings(config, fd, regions);
      });
      await bindWithin(config, fd, ifindex, queue, fds[0] ?? null);
      const port = opening(
        config,
        queue,
        () =>
          new KernelPort({
            device: config.device,
            queue,
            fd,
            isZeroCopy: isZeroCopy(fd),
            usesNeedWakeup: config.needWakeup,
            umem: new MappedRegion(umem.lend()),
            rings,
          }),
      );
      regions.move();
      cleanup.use(port);
      ports.push(port);
      fds.push(fd);
    }
    const program =
      config.filter === null ? null : inNamespace(config, () => attach(config, ifindex, ports, fds));
    umem[Symbol.dispose]();
    cleanup.move();
    return new KernelInterface(ports, program);
  }
}

class KernelInterface implements XskInterface {
  readonly ports: readonly KernelPort[];
  #program: XdpProgram | null;

  constructor(ports: readonly KernelPort[], program: XdpProgram | null) {
    this.ports = ports;
    this.#program = program;
  }

  setFilter(filter: PacketFilter): void {
    if (this.#program !== null) return this.#program.setFilter(compileFilter(filter));
    throw new XdpSocketError("InvalidConfig", "the filter cannot be set", {
      why: "the sockets have no program of ours, or are closed",
      hint: "Build with filter(...) instead of withoutProgram().",
    });
  }

  stopRedirecting(): void {
    for (const { queue } of this.ports) this.#program?.removeSocket(queue);
    this.#program?.[Symbol.dispose]();
    this.#program = null;
  }

  [Symbol.dispose](): void {
    this.stopRedirecting();
    for (const port of this.ports) port[Symbol.dispose]();
  }
}

const umemBytes = ({ frames }: XskConfig): number => frames.frameCount * frames.frameSizeBytes;

function allocateUmem(config: XskConfig): MappedRegion {
  try {
    return MappedRegion.anonymous(umemBytes(config), config.hugePages);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new XdpSocketError("UmemTooLarge", `no memory for ${config.frames.frameCount} frames`, {
      why: error.message,
      hint: config.hugePages
        ? "Set huge pages aside (sysctl vm.nr_hugepages), or do without them."
        : "Take fewer frames.",
      cause: error,
    });
  }
}

function mapRings(config: XskConfig, fd: Fd, regions: DisposableStack): Record<RingName, RingRegion> {
  for (const name of ringNames) setRingSize(fd, name, config.rings[name]);
  const offsets = ringOffsets(fd);
  const ring = (name: RingName): RingRegion => {
    const entries = config.rings[name];
    const sizeBytes = offsets[name].entries + entries * entryBytes[name];
    const region = regions.use(MappedRegion.ofFd(fd.number, sizeBytes, ringPageOffset[name]));
    return { region, entries, offsets: offsets[name] };
  };
  return { rx: ring("rx"), tx: ring("tx"), fill: ring("fill"), completion: ring("completion") };
}

async function bindWithin(
  config: XskConfig,
  fd: Fd,
  ifindex: number,
  queue: number,
  first: Fd | null,
): Promise<void> {
  // A socket that shares a UMEM takes its mode from the first (xsk_bind refuses other flags).
  const flags = first === null ? ownFlags(config) : bindFlags.sharedUmem;
  const deadline = performance.now() + config.bindTimeoutMs;
  for (;;) {
    const error = bindSocket(fd, flags, ifindex, queue, first?.number ?? 0);
    if (error === 0) return;
    if (error !== errno.EBUSY || performance.now() > deadline)
      throw openError(new SyscallError("bind", error, config.mode), config.device, queue);
    await delay(bindRetryMs);
  }
}

function ownFlags({ mode, needWakeup }: XskConfig): number {
  const wakeup = needWakeup ? bindFlags.useNeedWakeup : 0;
  switch (mode) {
    case "auto":
      return wakeup;
    case "copy":
      return wakeup | bindFlags.copy;
    case "zerocopy":
      return wakeup | bindFlags.zeroCopy;
  }
}

/** The filter is in force before the first socket is in the map, so that nothing else is ever taken. */
function attach(
  config: XskConfig,
  ifindex: number,
  ports: readonly KernelPort[],
  fds: readonly Fd[],
): XdpProgram {
  const program = new XdpProgram(config.device, ifindex, config.attach, config.frames);
  try {
    if (config.filter !== null) program.setFilter(config.filter);
    for (const [index, { queue }] of ports.entries()) {
      const fd = fds[index];
      if (fd !== undefined) program.addSocket(queue, fd);
    }
    return program;
  } catch (error) {
    program[Symbol.dispose]();
    throw error;
  }
}

function opening<T>(config: XskConfig, queue: number, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw openError(error, config.device, queue);
  }
}

function inNamespace<T>({ networkNamespace }: XskConfig, act: () => T): T {
  try {
    return inNetworkNamespace(networkNamespace, act);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new XdpSocketError("NoDevice", `the network namespace ${networkNamespace} cannot be entered`, {
      why: error.message,
      hint: "See `ip netns`; CAP_SYS_ADMIN is needed.",
      cause: error,
    });
  }
}
