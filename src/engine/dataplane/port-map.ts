/**
 * port_redirect_map and its mirror: who has which port. The programs read the kernel's copy; the mirror is what the
 * engine believes, kept apart so that the two can be compared.
 */
import type { MappedArray } from "../../ffi/libbpf.ts";
import { AetherError } from "../../protocol/errors.ts";
import { portCount, structs } from "./layout.ts";

/** IPv4 address and process of a port's owner. */
export interface PortOwner {
  /** On the host; 0: it sleeps. */
  readonly pid: number;
  /** As "127.0.0.1": on this host, its packets are passed up. Another one: they are sent there. */
  readonly address: string;
}

/** A port on which kernel and mirror differ; `null`: nobody. */
export interface Disagreement {
  readonly port: number;
  readonly expected: PortOwner | null;
  readonly found: PortOwner | null;
}

const { pid: pidAt, addr: addrAt } = structs.port_value.fields;

/** "127.0.0.1" as the number whose bytes in memory are 127, 0, 0, 1. @throws RangeError for anything else */
export function packAddress(address: string): number {
  const parts = address.split(".").map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  const [a = 256, b = 256, c = 256, d = 256] = parts;
  if (parts.length !== 4 || parts.some((part) => part > 255))
    throw new RangeError(`not an IPv4 address: ${address}`);
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

/** The other way round. */
export function unpackAddress(packed: number): string {
  return [0, 8, 16, 24].map((shift) => (packed >>> shift) & 255).join(".");
}

export class PortMap {
  readonly #array: MappedArray;
  readonly #mirror = new Map<number, PortOwner>();

  constructor(array: MappedArray) {
    this.#array = array;
  }

  /** @throws AetherError AE_BPF_MAP_OPERATION_FAILED */
  set(port: number, owner: PortOwner): void {
    this.#write(port, owner.pid, packAddress(owner.address));
    this.#mirror.set(port, owner);
  }

  /** @throws AetherError AE_BPF_MAP_OPERATION_FAILED */
  clear(port: number): void {
    this.#write(port, 0, 0);
    this.#mirror.delete(port);
  }

  /** Both halves in one store: a program never sees one of each. */
  #write(port: number, pid: number, addr: number): void {
    if (!Number.isInteger(port) || port < 0 || port >= portCount) throw failed(port, "OutOfRange");
    if (pid < 0 || pid > 0xffff_ffff) throw failed(port, "InvalidPid");
    const value = BigInt(pid) | (BigInt(addr) << 32n);
    try {
      this.#array.view.setBigUint64(port * this.#array.stride, value, true);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw failed(port, "Closed");
    }
  }

  get(port: number): PortOwner | null {
    return this.#mirror.get(port) ?? null;
  }

  get entries(): readonly (PortOwner & { readonly port: number })[] {
    return [...this.#mirror].map(([port, owner]) => ({ port, ...owner }));
  }

  /** Where the kernel's map is not what the mirror says; all 65,536 entries are looked at. */
  disagreements(): Disagreement[] {
    return compare(this.#array, this.#mirror);
  }
}

/** Compares a kernel's map with what is expected of it. */
export function compare(
  { view, stride }: Pick<MappedArray, "view" | "stride">,
  expected: ReadonlyMap<number, PortOwner>,
): Disagreement[] {
  const found: Disagreement[] = [];
  for (let port = 0; port < portCount; port++) {
    const at = port * stride;
    const pid = view.getUint32(at + pidAt, true);
    const addr = view.getUint32(at + addrAt, true);
    const wanted = expected.get(port) ?? null;
    if (
      wanted === null ? pid === 0 && addr === 0 : pid === wanted.pid && addr === packAddress(wanted.address)
    )
      continue;
    const there = pid === 0 && addr === 0 ? null : { pid, address: unpackAddress(addr) };
    found.push({ port, expected: wanted, found: there });
  }
  return found;
}

function failed(port: number, reason: "OutOfRange" | "InvalidPid" | "Closed"): AetherError {
  return new AetherError("AE_BPF_MAP_OPERATION_FAILED", `the port map cannot be written for port ${port}`, {
    why: { OutOfRange: "a port is 0 to 65535", InvalidPid: "no process id", Closed: "it was closed" }[reason],
    data: { map: "port_redirect_map", port, reason },
  });
}
