/** The BPF file system, in which links are pinned. */
import { statfsSync } from "node:fs";
import { AetherError } from "../protocol/errors.ts";
import { errnoName, lastErrno, libc } from "./libc.ts";

const cMount = libc.func("int mount(const char*, const char*, const char*, ulong, const char*)");

export const bpfFsRoot = "/sys/fs/bpf";
/** BPF_FS_MAGIC (linux/magic.h) */
const magic = 0xcafe_4a11;

function isMounted(): boolean {
  try {
    return statfsSync(bpfFsRoot).type === magic;
  } catch {
    return false; // No such folder: mounting will say why.
  }
}

/**
 * Makes sure that it is there; systemd mounts it at boot, containers often lack it.
 * @returns whether it was mounted now. @throws AetherError AE_MACHINE_NOT_READY
 */
export function ensureBpfFs(): boolean {
  if (isMounted()) return false;
  if ((cMount("bpf", bpfFsRoot, "bpf", 0, "mode=0700") as number) === 0) return true;
  throw new AetherError("AE_MACHINE_NOT_READY", `there is no BPF file system at ${bpfFsRoot}`, {
    why: errnoName(lastErrno()),
    hint: `Mount it: mount -t bpf bpf ${bpfFsRoot}`,
  });
}
