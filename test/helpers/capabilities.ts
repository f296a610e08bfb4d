/** What this thread may do, less for a while. */
import { checked, libc } from "../../src/ffi/libc.ts";

const cCapget = libc.func("int capget(void*, void*)");
const cCapset = libc.func("int capset(void*, void*)");

/** struct __user_cap_header_struct: version 3, this thread. */
const header = (): Uint32Array => new Uint32Array([0x2008_0522, 0]);

/** Runs `work` without any capability in force; they are back before the call returns, as they stay permitted. */
export function withoutCapabilities<T>(work: () => T): T {
  // Two times effective, permitted, inheritable (capget(2)).
  const before = new Uint32Array(6);
  checked(cCapget(header(), before) as number, "capget");
  const less = before.slice();
  less[0] = 0;
  less[3] = 0;
  checked(cCapset(header(), less) as number, "capset");
  try {
    return work();
  } finally {
    checked(cCapset(header(), before) as number, "capset");
  }
}
