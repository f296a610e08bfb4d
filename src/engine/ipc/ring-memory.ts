/** The shared memory and the doorbells of one instance, and how they get into its sandbox. */
import { readlinkSync } from "node:fs";
import { makePipe } from "../../ffi/fd.ts";
import type { Fd } from "../../ffi/fd.ts";
import { createMemfd, SharedMapping } from "../../ffi/shm.ts";
import { controlBytes } from "./control-page.ts";
import { defaultCapacityBytes, formatRing, ringBytes } from "./ring-layout.ts";

/** The parts, in the order of their descriptors in the handler. */
export const ringParts = ["ctl", "req", "res", "in", "out"] as const;
export type RingPart = (typeof ringParts)[number];

/** Descriptor number of the first part in a handler: clear of what programs expect to find low. */
const firstNumber = 60;

export const ringNumbers: Readonly<Record<RingPart, number>> = {
  ctl: firstNumber,
  req: firstNumber + 1,
  res: firstNumber + 2,
  in: firstNumber + 3,
  out: firstNumber + 4,
};

/** Value of AETHER_RING. */
export const ringEnvironment = ringParts.map((part) => `${part}=${ringNumbers[part]}`).join(",");

/** Names by which CRIU knows the parts in an image: inherit_fd keys. */
export type RingKeys = Readonly<Record<RingPart, string>>;

/** Where the rings of a process stand. */
export interface RingStand {
  readonly reqPosition: number;
  readonly resPosition: number;
}

export class RingMemory implements Disposable {
  readonly keys: RingKeys;
  readonly capacityBytes: number;
  readonly control: SharedMapping;
  readonly request: SharedMapping;
  readonly response: SharedMapping;
  /** Our end of `in`: a byte in it wakes the handler. */
  readonly bell: Fd;
  /** Our end of `out`: readable when the handler woke us. */
  readonly heard: Fd;
  /** The handler's ends. */
  readonly #theirs: Readonly<Record<RingPart, Fd>>;
  readonly #cleanup: DisposableStack;

  private constructor(
    cleanup: DisposableStack,
    theirs: Readonly<Record<RingPart, Fd>>,
    ours: { readonly bell: Fd; readonly heard: Fd; readonly mappings: readonly SharedMapping[] },
    names: Readonly<Record<"ctl" | "req" | "res", string>>,
    capacityBytes: number,
  ) {
    const [control, request, response] = ours.mappings as [SharedMapping, SharedMapping, SharedMapping];
    this.control = control;
    this.request = request;
    this.response = response;
    this.bell = ours.bell;
    this.heard = ours.heard;
    this.capacityBytes = capacityBytes;
    this.#theirs = theirs;
    this.#cleanup = cleanup;
    this.keys = {
      ctl: `/memfd:${names.ctl}`,
      req: `/memfd:${names.req}`,
      res: `/memfd:${names.res}`,
      in: readlinkSync(`/proc/self/fd/${theirs.in.number}`),
      out: readlinkSync(`/proc/self/fd/${theirs.out.number}`),
    };
  }

  /**
   * Makes everything anew; nothing is left when it throws.
   * @param name as "aether-<engine>-<function>-<instance>"
   * @param uid who shall own the memory
   * @throws AetherError AE_SHM_CREATE_FAILED, AE_SHM_MAP_FAILED
   */
  static create(
    name: string,
    stand: RingStand = { reqPosition: 0, resPosition: 0 },
    capacityBytes = defaultCapacityBytes,
  ): RingMemory {
    using cleanup = new DisposableStack();
    const names = { ctl: `${name}.ctl`, req: `${name}.req`, res: `${name}.res` };
    const sizes = { ctl: controlBytes, req: ringBytes(capacityBytes), res: ringBytes(capacityBytes) };
    const memory = (part: "ctl" | "req" | "res"): [Fd, SharedMapping] => {
      const fd = cleanup.use(createMemfd(names[part], sizes[part]));
      return [fd, cleanup.use(SharedMapping.of(fd, sizes[part]))];
    };
    const [ctl, control] = memory("ctl");
    const [req, request] = memory("req");
    const [res, response] = memory("res");
    formatRing(request.memory, capacityBytes, stand.reqPosition);
    formatRing(response.memory, capacityBytes, stand.resPosition);
    const into = makePipe();
    const out = makePipe();
    for (const fd of [into.read, into.write, out.read, out.write]) cleanup.use(fd);
    into.write.setNonBlocking();
    out.write.setNonBlocking();
    return new RingMemory(
      cleanup.move(),
      { ctl, req, res, in: into.read, out: out.write },
      { bell: into.write, heard: out.read, mappings: [control, request, response] },
      names,
      capacityBytes,
    );
  }

  /** The handler's ends, at the numbers that AETHER_RING names. */
  get descriptors(): { readonly number: number; readonly fd: Fd }[] {
    return ringParts.map((part) => ({ number: ringNumbers[part], fd: this.#theirs[part] }));
  }

  /** Closes the handler's ends here, once its sandbox has them. */
  closeTheirs(): void {
    for (const part of ringParts) this.#theirs[part].close();
  }

  [Symbol.dispose](): void {
    this.#cleanup[Symbol.dispose]();
  }
}
