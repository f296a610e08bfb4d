/** Ranges of IPv4 addresses, as "10.213.0.0/20". */

export interface AddressRange {
  /** The first address, as a number: 10.0.0.1 is 0x0a000001. */
  readonly first: number;
  readonly prefix: number;
}

/** "10.0.0.1" as a number; `null` for anything else. */
export function parseAddress(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return null;
  return parts.reduce((value, part) => value * 256 + Number(part), 0);
}

export function formatAddress(address: number): string {
  return addressBytes(address).join(".");
}

/** Four bytes in network order. */
export function addressBytes(address: number): Uint8Array {
  return new Uint8Array([24, 16, 8, 0].map((shift) => (address >>> shift) & 255));
}

const sizeOf = ({ prefix }: AddressRange): number => 2 ** (32 - prefix);

/** `null` for what is no range, also for one whose first address is not a multiple of its size. */
export function parseRange(text: string): AddressRange | null {
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(text);
  const first = parseAddress(match?.[1] ?? "");
  const prefix = Number(match?.[2]);
  if (first === null || !(prefix >= 0 && prefix <= 32)) return null;
  return first % sizeOf({ first, prefix }) === 0 ? { first, prefix } : null;
}

export function formatRange({ first, prefix }: AddressRange): string {
  return `${formatAddress(first)}/${prefix}`;
}

export function overlaps(left: AddressRange, right: AddressRange): boolean {
  return left.first < right.first + sizeOf(right) && right.first < left.first + sizeOf(left);
}

/** RFC 1918, 6598 (shared address space) and 2544 (benchmarks): what no machine on the internet has. */
const privateUse = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15"];

/** Whether all of a range is for private use. */
export function isForPrivateUse(range: AddressRange): boolean {
  return privateUse.some((text) => {
    const allowed = parseRange(text);
    return allowed !== null && allowed.prefix <= range.prefix && overlaps(allowed, range);
  });
}

/** Address number `index` of the range. */
export function addressAt(range: AddressRange, index: number): number {
  return range.first + index;
}

/** How many instances a range has addresses for: all but its own, the broadcast's, the gateway's and that of local clients. */
export function instanceRoom(range: AddressRange): number {
  return Math.max(0, sizeOf(range) - firstInstance - 1);
}

/** The address by which instances reach this machine. */
export const gatewayIndex = 1;
/** The address that clients on this machine have in the eyes of instances; no interface has it. */
export const localClientsIndex = 2;
export const firstInstance = 3;
