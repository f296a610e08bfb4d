/** Bringing pages of another process into memory without changing them (process_vm_readv(2), process_vm_writev(2)). */
import { libc } from "./libc.ts";
import { nativeBlock } from "./native-block.ts";

const cRead = libc.func("int64 process_vm_readv(int, uint64, ulong, uint64, ulong, ulong)");
const cWrite = libc.func("int64 process_vm_writev(int, uint64, ulong, uint64, ulong, ulong)");

const iovecBytes = 16;
/** Pages of one call. A page takes about 3 µs. */
export const pagesATime = 64;
const remoteAt = iovecBytes;
const dataAt = remoteAt + pagesATime * iovecBytes;
const blockBytes = dataAt + pagesATime;

const memory = nativeBlock(blockBytes);

/**
 * Reads one byte at each address, as many as go into a call; with `write` the same byte is written back, so that the page
 * becomes the process's own. Nothing may run in that process meanwhile.
 * @returns how many were touched from the first on: fewer than asked where the next one cannot be; 0 also when it is gone
 */
export function touchPages(pid: number, addresses: readonly number[], write: boolean): number {
  const { at, view } = memory();
  const count = Math.min(addresses.length, pagesATime);
  for (const [index, address] of addresses.slice(0, count).entries()) {
    view.setBigUint64(remoteAt + index * iovecBytes, BigInt(address), true);
    view.setBigUint64(remoteAt + index * iovecBytes + 8, 1n, true);
  }
  const local = (bytes: number): void => {
    view.setBigUint64(0, at + BigInt(dataAt), true);
    view.setBigUint64(8, BigInt(bytes), true);
  };
  local(count);
  const remote = at + BigInt(remoteAt);
  const got = Number(cRead(pid, at, 1, remote, count, 0));
  if (got <= 0 || !write) return Math.max(0, got);
  local(got);
  return Math.max(0, Number(cWrite(pid, at, 1, remote, got, 0)));
}
