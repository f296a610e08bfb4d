/**
 * `aether xdp`: programs of people's own on interfaces, without an engine. Their links are pinned in a folder of ours,
 * one per network namespace, and so outlive the command.
 */
import { existsSync, mkdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import { bpfFsRoot, ensureBpfFs } from "../../ffi/bpf-fs.ts";
import { programInfo } from "../../ffi/bpf-info.ts";
import { attachedXdp, attachXdp, openPinnedXdp } from "../../ffi/bpf-xdp.ts";
import type { AttachedXdp, XdpMode } from "../../ffi/bpf-xdp.ts";
import { interfaceIndex, interfaceNames } from "../../ffi/interfaces.ts";
import { BpfObject } from "../../ffi/libbpf.ts";
import { AetherError, toAetherError } from "../../protocol/errors.ts";
import { programName } from "./attachment.ts";

const folder = `${bpfFsRoot}/aether`;

/** Whose a program is: loaded by `aether xdp load`, an engine's, or of somebody else. */
export type XdpOwner = "loaded" | "engine" | "foreign";

export interface XdpEntry extends AttachedXdp {
  readonly interface: string;
  readonly program: string;
  /** Hash of its instructions. */
  readonly tag: string;
  readonly owner: XdpOwner;
  /** Where its link is pinned, for one that `aether xdp load` attached. */
  readonly pin: string | null;
}

/** Namespaces are told apart by the inode of their file (namespaces(7)). */
function pinOf(interfaceName: string): string {
  return `${folder}/net-${statSync("/proc/thread-self/ns/net").ino}/${interfaceName}`;
}

/** What is attached to an interface; `null` for nothing. */
function entryOf(interfaceName: string): XdpEntry | null {
  const index = interfaceIndex(interfaceName);
  const attached = index === 0 ? null : attachedXdp(index);
  if (attached === null) return null;
  const { name: program, tag } = programInfo(attached.programId) ?? { name: "", tag: "" };
  const pin = pinOf(interfaceName);
  using link = existsSync(pin) ? openPinnedXdp(pin, interfaceName) : null;
  const isLoaded = link !== null && link.programId === attached.programId;
  const isEngines = program === programName || program === "aether_replies";
  const owner: XdpOwner = isLoaded ? "loaded" : isEngines ? "engine" : "foreign";
  return { interface: interfaceName, ...attached, program, tag, owner, pin: isLoaded ? pin : null };
}

/** All interfaces with a program. @throws SyscallError without the right to look */
export function listXdp(): XdpEntry[] {
  return interfaceNames().flatMap((name) => entryOf(name) ?? []);
}

export interface XdpLoad {
  readonly interface: string;
  /** Path of a compiled object. */
  readonly file: string;
  /** `null`: the only one in the object. */
  readonly program: string | null;
  readonly mode: XdpMode;
}

/**
 * Loads an object and attaches one of its programs for good.
 * @returns what is attached now, and whether the BPF file system had to be mounted for it
 * @throws AetherError of the family EbpfError, AE_USAGE when the program is not named and there are several
 */
export function loadXdp(order: XdpLoad): { readonly entry: XdpEntry; readonly mounted: boolean } {
  const mounted = ensureBpfFs();
  if (!existsSync(order.file)) {
    throw new AetherError("AE_BPF_LOAD_FAILED", `there is no file ${order.file}`, {
      hint: "Compile it: clang -target bpf -g -O2 -c FILE.c -o FILE.o",
      data: { object: order.file },
    });
  }
  const program = chooseProgram(order);
  const pin = pinOf(order.interface);
  removeStale(order.interface, pin);
  using object = BpfObject.load(order.file, undefined, { programs: [program] });
  using link = attachXdp(object.program(program), order.interface, order.mode);
  mkdirSync(pin.slice(0, pin.lastIndexOf("/")), { recursive: true, mode: 0o700 });
  try {
    link.pin(pin);
  } catch (error) {
    throw toAetherError(error, `the link of ${order.interface} cannot be pinned`);
  }
  const entry = entryOf(order.interface);
  if (entry !== null) return { entry, mounted };
  throw new AetherError("AE_INTERNAL", `the program just attached to ${order.interface} is not there`);
}

function chooseProgram({ file, program }: XdpLoad): string {
  const names = BpfObject.xdpPrograms(file);
  if (program === null && names.length === 1 && names[0] !== undefined) return names[0];
  if (program !== null && names.includes(program)) return program;
  const list = names.length === 0 ? "It has no XDP program." : `Its XDP programs: ${names.join(", ")}.`;
  throw new AetherError(
    "AE_USAGE",
    program === null ? `which program of ${file} is meant?` : `${file} has no XDP program ${program}`,
    { hint: names.length > 1 && program === null ? `Say --program NAME. ${list}` : list },
  );
}

/** A link that was ours, of an interface that has been removed since: its name stands in the way of a new one. */
function removeStale(interfaceName: string, pin: string): void {
  if (existsSync(pin) && entryOf(interfaceName)?.owner !== "loaded") rmSync(pin);
}

/**
 * Takes off what `aether xdp load` attached.
 * @returns what was attached. @throws AetherError AE_USAGE when nothing is there, or a program of somebody else
 */
export function unloadXdp(interfaceName: string): XdpEntry {
  const entry = entryOf(interfaceName);
  if (entry === null || entry.pin === null) throw nothingOfOurs(interfaceName, entry);
  using link = openPinnedXdp(entry.pin, interfaceName);
  link?.detach();
  rmSync(entry.pin);
  for (const path of [entry.pin.slice(0, entry.pin.lastIndexOf("/")), folder]) {
    try {
      rmdirSync(path);
    } catch {
      break; // Links of other interfaces are in it.
    }
  }
  return entry;
}

function nothingOfOurs(interfaceName: string, entry: XdpEntry | null): AetherError {
  const known = interfaceIndex(interfaceName) !== 0;
  const what = known
    ? `no program of \`aether xdp load\` is on ${interfaceName}`
    : `there is no interface ${interfaceName}`;
  if (entry === null)
    return new AetherError("AE_USAGE", what, { hint: "`aether xdp show` lists what is attached." });
  return new AetherError("AE_USAGE", what, {
    why: `${entry.program}, id ${entry.programId}, is ${entry.owner === "engine" ? "an engine's" : "somebody else's"}`,
    hint: entry.owner === "engine" ? "It goes when its engine ends." : "Whoever attached it can take it off.",
    data: { interface: interfaceName, program: entry.program, programId: entry.programId },
  });
}
