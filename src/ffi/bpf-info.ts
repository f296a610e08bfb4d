/** Programs and maps that are loaded in the kernel, whoever loaded them, by their ids. */
import { libbpf } from "./bpf-library.ts";
import { BpfMap } from "./bpf-map.ts";
import { Fd } from "./fd.ts";
import { checked, errno, lastErrno, SyscallError } from "./libc.ts";

export interface ProgramInfo {
  readonly id: number;
  /** At most 15 characters: the kernel keeps no more. */
  readonly name: string;
  /** Hash of its instructions, in hex. */
  readonly tag: string;
}

/** Offsets in struct bpf_prog_info and struct bpf_map_info (linux/bpf.h). */
const program = { bytes: 96, tagAt: 8, tagBytes: 8, nameAt: 64 } as const;
const map = { bytes: 80, keyBytesAt: 8, valueBytesAt: 12, entriesAt: 16, nameAt: 24, idAt: 4 } as const;
const nameBytes = 16;
/** struct bpf_link_info up to its union, and prog_id in it. */
const linkInfoBytes = 16;
const linkProgramAt = 8;

function readInfo(fd: Fd, bytes: number): DataView<ArrayBuffer> {
  const info = new DataView(new ArrayBuffer(bytes));
  checked(libbpf().objectInfo(fd.number, info, new Uint32Array([bytes])) as number, "BPF_OBJ_GET_INFO_BY_FD");
  return info;
}

function text(info: DataView<ArrayBuffer>, at: number): string {
  const bytes = new Uint8Array(info.buffer, at, nameBytes);
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end < 0 ? nameBytes : end)).toString("latin1");
}

/** @throws SyscallError, but for one that is gone: `null` */
export function programInfo(id: number): ProgramInfo | null {
  using fd = open(libbpf().programById(id) as number, "BPF_PROG_GET_FD_BY_ID");
  if (fd === null) return null;
  const info = readInfo(fd, program.bytes);
  const tag = Buffer.from(info.buffer, program.tagAt, program.tagBytes).toString("hex");
  return { id, name: text(info, program.nameAt), tag };
}

/** A loaded map, for as long as it is needed. @throws SyscallError, but for one that is gone: `null` */
export function openMapById(id: number): BpfMap | null {
  using fd = open(libbpf().mapById(id) as number, "BPF_MAP_GET_FD_BY_ID");
  if (fd === null) return null;
  const info = readInfo(fd, map.bytes);
  const shape = {
    name: text(info, map.nameAt),
    entries: info.getUint32(map.entriesAt, true),
    keyBytes: info.getUint32(map.keyBytesAt, true),
    valueBytes: info.getUint32(map.valueBytesAt, true),
  };
  return new BpfMap(shape, fd.number);
}

/** The id under which another process can open a map. @throws SyscallError */
export function mapId(opened: BpfMap): number {
  using fd = new Fd(opened.fd).duplicate();
  return readInfo(fd, map.bytes).getUint32(map.idAt, true);
}

/** Id of the program that a link has attached. @throws SyscallError */
export function linkProgramId(link: Fd): number {
  return readInfo(link, linkInfoBytes).getUint32(linkProgramAt, true);
}

function open(result: number, syscall: string): Fd | null {
  if (result >= 0) return new Fd(result);
  const error = lastErrno();
  if (error === errno.ENOENT) return null;
  throw new SyscallError(syscall, error);
}
