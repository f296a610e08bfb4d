/** The file systems a function finds in its sandbox: the host's root, its own /proc, /dev, /tmp and /dev/shm. */
import { existsSync, readdirSync, realpathSync, statSync } from "node:fs";
import { SandboxSetup } from "./sandbox.ts";

const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_MOVE = 8192;

/** Where the handshake socket appears inside; /dev is private, so nothing of the host is in the way. */
export const handshakePath = "/dev/aether/handshake.sock";

/** Where a restored process finds the memory that its image maps (snapshot/mapped/). Every image has it at this place. */
export const heapPath = "/dev/aether/heap";

interface DeviceNode {
  readonly name: string;
  readonly major: number;
  readonly minor: number;
}

/** Character devices every program may expect (devices.txt of the kernel's admin guide). */
const plainDevices: readonly DeviceNode[] = [
  { name: "null", major: 1, minor: 3 },
  { name: "zero", major: 1, minor: 5 },
  { name: "full", major: 1, minor: 7 },
  { name: "random", major: 1, minor: 8 },
  { name: "urandom", major: 1, minor: 9 },
  { name: "tty", major: 5, minor: 0 },
];

/** Folders of the function that outlive its sandboxes: files in /tmp and shared memory must exist when it wakes. */
export interface PersistentFolders {
  readonly tmp: string;
  readonly shm: string;
}

export interface LayoutOptions {
  /** Entries of the host's /tmp that show through the private one (see `sharedTmpEntries`). */
  readonly sharedTmp: readonly string[];
  readonly folders: PersistentFolders;
  /** Host path of the handshake socket; `null` for a sandbox that restores. */
  readonly handshakeSocket: string | null;
  /** Host path of the heap file of the image to restore; `null` where the image has none. */
  readonly heapFile: string | null;
  /** All devices of the host instead of the harmless few. */
  readonly privileged: boolean;
  /** An own network namespace for a trial: its listeners must not take real clients. */
  readonly privateNetwork: boolean;
}

/**
 * Entries of the host's /tmp the function would miss: its /tmp is private, but a project, its program or its arguments may
 * lie there. The first name below /tmp is shared as a whole, since links inside it lead where they like.
 */
export function sharedTmpEntries(paths: readonly string[]): string[] {
  const entries = new Set<string>();
  for (const path of paths) {
    for (const variant of [path, realPath(path)]) {
      const entry = /^\/tmp\/([^/]+)/.exec(variant)?.[1];
      if (entry !== undefined && entry !== ".." && existsSync(`/tmp/${entry}`)) entries.add(entry);
    }
  }
  return [...entries];
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // An argument that is no path.
  }
}

/** A folder to put the new /dev together on, under which none of the sources lies: it is covered meanwhile. */
function stageFolder(sources: readonly string[]): string {
  const free = ["/mnt", "/media", "/srv", "/opt"].find(
    (folder) => existsSync(folder) && !sources.some((source) => source.startsWith(`${folder}/`)),
  );
  return free ?? "/mnt";
}

/** The set-up message of a function's sandbox. */
export function sandboxLayout(options: LayoutOptions): SandboxSetup {
  const setup = new SandboxSetup();
  setup.mount("proc", "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
  const nodes = [...(options.privileged ? hostDevices() : plainDevices)];
  // Put together aside and moved over /dev at the end: the sources of the binds may lie below the host's /dev or /tmp.
  const sources = [options.folders.shm, options.folders.tmp, options.handshakeSocket, options.heapFile];
  const stage = stageFolder(sources.filter((source) => source !== null));
  setup.mount("tmpfs", "tmpfs", stage, MS_NOSUID | MS_NOEXEC, "mode=0755,size=1m");
  for (const folder of foldersOf(nodes)) setup.directory(`${stage}/${folder}`, 0o755);
  for (const { name, major, minor } of nodes) setup.device(`${stage}/${name}`, 0o666, major, minor);
  setup
    .directory(`${stage}/pts`, 0o755)
    .directory(`${stage}/shm`, 0o1777)
    .directory(`${stage}/mqueue`, 0o1777);
  setup.mount(
    "devpts",
    "devpts",
    `${stage}/pts`,
    MS_NOSUID | MS_NOEXEC,
    "newinstance,ptmxmode=0666,mode=0620",
  );
  setup.mount("mqueue", "mqueue", `${stage}/mqueue`, MS_NOSUID | MS_NODEV | MS_NOEXEC);
  setup.symlink("/proc/self/fd", `${stage}/fd`).symlink("/proc/self/fd/0", `${stage}/stdin`);
  setup.symlink("/proc/self/fd/1", `${stage}/stdout`).symlink("/proc/self/fd/2", `${stage}/stderr`);
  setup.symlink("pts/ptmx", `${stage}/ptmx`);
  setup.mount("bind", options.folders.shm, `${stage}/shm`);
  setup.directory(`${stage}/aether`, 0o755);
  if (options.handshakeSocket !== null)
    setup.mount("bind", options.handshakeSocket, `${stage}/aether/handshake.sock`);
  if (options.heapFile !== null) {
    // Read-only: other clones map it too. Executable: it may hold code that was compiled at run time.
    setup.mount("bind", options.heapFile, `${stage}/aether/heap`, MS_RDONLY | MS_NOSUID | MS_NODEV, "exec");
  }
  for (const entry of options.sharedTmp)
    setup.mount("bind", `/tmp/${entry}`, `${options.folders.tmp}/${entry}`);
  setup.mount("rbind", options.folders.tmp, "/tmp");
  setup.mount("move", stage, "/dev", MS_MOVE);
  if (options.privateNetwork) {
    // A trial binds whatever address the image has, also one this namespace does not own.
    setup.loopback().sysctl("/proc/sys/net/ipv4/ip_nonlocal_bind", "1");
    if (existsSync("/proc/sys/net/ipv6")) setup.sysctl("/proc/sys/net/ipv6/ip_nonlocal_bind", "1");
  }
  return setup;
}

/** Every folder above the nodes, parents before children ("cpu", "cpu/0"). */
function foldersOf(nodes: readonly DeviceNode[]): Set<string> {
  const folders = new Set<string>();
  for (const { name } of nodes) {
    const parts = name.split("/").slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) folders.add(parts.slice(0, depth).join("/"));
  }
  return folders;
}

/** Every character device of the host, for a privileged function. */
function hostDevices(): DeviceNode[] {
  const found: DeviceNode[] = [];
  for (const entry of readdirSync("/dev", { withFileTypes: true, recursive: true })) {
    const path = `${entry.parentPath}/${entry.name}`;
    if (!entry.isCharacterDevice() || path.startsWith("/dev/pts/") || entry.name === "ptmx") continue;
    const { rdev } = statSync(path);
    // gnu_dev_major and gnu_dev_minor (sys/sysmacros.h), for numbers below 2^32
    found.push({
      name: path.slice("/dev/".length),
      major: (rdev >>> 8) & 0xfff,
      minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00),
    });
  }
  return found;
}
