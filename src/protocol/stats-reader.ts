/**
 * Reads a stats region from any process, without a lock and without the engine. It reads the file instead of mapping it:
 * every read(2) of tmpfs takes and drops a reference to the page, a full barrier on every processor, so three reads in a
 * row (sequences, content, sequences) are ordered as a seqlock needs it, and a file that shrinks is a short read, not SIGBUS.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { AetherError } from "./errors.ts";
import { corrupted, decodeRecord } from "./stats-codec.ts";
import { sequenceAt, usedAt } from "./stats-fields.ts";
import type { Fields, RecordLayout, ValuesOf } from "./stats-fields.ts";
import {
  errorCapacity,
  errorLayout,
  functionLayout,
  headerLayout,
  interfaceLayout,
  planRegion,
  pulseLayout,
  statsLayoutVersion,
  statsMagic,
  totalsLayout,
} from "./stats-layout.ts";
import type {
  ErrorStats,
  FunctionStats,
  HeaderStats,
  InterfaceStats,
  PulseStats,
  RegionPlan,
  TotalStats,
} from "./stats-layout.ts";

export interface StatsSnapshot {
  readonly header: HeaderStats;
  readonly pulse: PulseStats;
  readonly totals: TotalStats;
  readonly errors: readonly ErrorStats[];
  readonly interfaces: readonly InterfaceStats[];
  /** In the order of the configuration. */
  readonly functions: readonly FunctionStats[];
}

/** Beyond this no engine of ours goes; a header that says more is none of ours. */
const maxFileBytes = 256 * 1024 * 1024;
/** A record is being written for some microseconds: trying again at once is the quickest. */
const quickTries = 50;
/** A writer that lost its processor in the middle gets it back only while the reader sleeps. */
const naps = 20;
const napMs = 1;
/** A region grows by doubling: between two looks it cannot have grown this often. */
const maxGenerations = 8;
/** S_IWGRP | S_IWOTH */
const writableByOthers = 0o022;

export class StatsReader implements Disposable {
  readonly #path: string;
  #file: OpenRegion;
  #isOpen = true;

  private constructor(path: string, file: OpenRegion) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Opens the region of an engine; `null` where there is no such file.
   * @throws AetherError AE_SHM_MAP_FAILED, AE_SHM_CORRUPTED, AE_SHM_VERSION
   */
  static open(path: string): StatsReader | null {
    const file = openRegion(path);
    return file === null ? null : new StatsReader(path, file);
  }

  /**
   * Every record as one writer left it; one that has not changed since the last look is the same object. A region that
   * has grown is opened again.
   * @throws AetherError AE_SHM_CORRUPTED, with reason Unsettled for a record that stays half-written
   */
  read(): StatsSnapshot {
    if (!this.#isOpen) throw new AetherError("AE_INTERNAL", `${this.#path} is read after it was closed`);
    for (let tries = 0; tries < maxGenerations; tries++) {
      const snapshot = readRegion(this.#file, this.#path);
      if (snapshot.pulse.superseded === 0) return snapshot;
      const next = openRegion(this.#path);
      // The engine has gone since: the last words of the file at hand are the newest there are.
      if (next === null) return snapshot;
      closeSync(this.#file.fd);
      this.#file = next;
    }
    throw corrupted("Unsettled", "it is replaced faster than it can be read", this.#path);
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#file.fd);
  }
}

/** Nobody ever wakes it. */
const nap = new Int32Array(new SharedArrayBuffer(4));

interface OpenRegion {
  readonly fd: number;
  readonly header: HeaderStats;
  readonly plan: RegionPlan;
  /** Sequences before, content, sequences after. */
  readonly before: DataView;
  readonly content: DataView;
  readonly after: DataView;
  /** By where a record begins: what it was at which sequence. Most records are the same at the next look. */
  readonly decoded: Map<number, Decoded>;
  /** What was read last: an engine at rest changes its pulse alone. */
  last: StatsSnapshot | null;
}

interface Decoded {
  readonly sequence: number;
  readonly values: object | null;
}

function openRegion(path: string): OpenRegion | null {
  let fd: number;
  try {
    // O_NONBLOCK: what lies there may be a pipe that somebody else has put there.
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new AetherError("AE_SHM_MAP_FAILED", `${path} cannot be opened`, {
      why: code ?? String(error),
      hint: "It belongs to the user of the engine: run this as root, for example with sudo.",
      data: { path },
      cause: error,
    });
  }
  try {
    return checkedRegion(path, fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function checkedRegion(path: string, fd: number): OpenRegion {
  const status = fstatSync(fd);
  const ours = status.uid === 0 || status.uid === process.geteuid?.();
  if (!status.isFile() || !ours || (status.mode & writableByOthers) !== 0)
    throw corrupted("ForeignFile", "others than the engine can write it", path);
  const view = new DataView(new ArrayBuffer(headerLayout.sizeBytes));
  if (readSync(fd, view, 0, headerLayout.sizeBytes, 0) < headerLayout.sizeBytes)
    throw corrupted("Truncated", `it has ${status.size} bytes, fewer than a header`, path);
  for (let index = 0; index < statsMagic.length; index++) {
    if (view.getUint8(index) !== statsMagic.charCodeAt(index))
      throw corrupted("WrongMagic", `it does not begin with ${statsMagic}`, path);
  }
  const version = view.getUint32(headerLayout.offsets.layoutVersion, true);
  if (version !== statsLayoutVersion) throw otherVersion(path, version);
  const header = decodeRecord(headerLayout, view, 0);
  const plan = planRegion({ functions: header.functionCapacity, interfaces: header.interfaceCapacity });
  if (plan.sizeBytes > maxFileBytes || !agrees(header, plan))
    throw corrupted("ForbiddenValue", "its header contradicts the layout", path);
  if (status.size < plan.sizeBytes)
    throw corrupted("Truncated", `it has ${status.size} bytes instead of ${plan.sizeBytes}`, path);
  const buffer = (): DataView => new DataView(new ArrayBuffer(plan.sizeBytes));
  return {
    fd,
    header,
    plan,
    before: buffer(),
    content: buffer(),
    after: buffer(),
    decoded: new Map(),
    last: null,
  };
}

function agrees(header: HeaderStats, plan: RegionPlan): boolean {
  return (
    header.fileBytes === plan.sizeBytes &&
    header.pulseOffset === plan.pulseAt &&
    header.totalsOffset === plan.totalsAt &&
    header.errorOffset === plan.errorsAt &&
    header.errorCapacity === errorCapacity &&
    header.interfaceOffset === plan.interfacesAt &&
    header.functionOffset === plan.functionsAt
  );
}

function otherVersion(path: string, version: number): AetherError {
  return new AetherError("AE_SHM_VERSION", `${path} has another layout`, {
    why: `its layout is version ${version}, and this \`aether\` reads version ${statsLayoutVersion}`,
    hint: "Use the `aether` that started the engine, or start the engine again with this one.",
    data: { path, version, expected: statsLayoutVersion },
  });
}

/** Up to so many records that changed are read one by one: an engine at rest changes its pulse alone. */
const fewRecords = 16;

/** The records that are not as they were decoded: their places and sizes. */
function changedRecords({
  plan,
  before,
  decoded,
}: OpenRegion): readonly (readonly [at: number, size: number])[] {
  const tables: readonly (readonly [at: number, size: number, count: number])[] = [
    [plan.pulseAt, pulseLayout.sizeBytes, 1],
    [plan.totalsAt, totalsLayout.sizeBytes, 1],
    [plan.errorsAt, errorLayout.sizeBytes, errorCapacity],
    [plan.interfacesAt, interfaceLayout.sizeBytes, plan.interfaces],
    [plan.functionsAt, functionLayout.sizeBytes, plan.functions],
  ];
  const changed: (readonly [number, number])[] = [];
  for (const [first, size, count] of tables) {
    for (let index = 0; index < count; index++) {
      const at = first + index * size;
      if (decoded.get(at)?.sequence !== before.getUint32(at + sequenceAt, true)) changed.push([at, size]);
    }
  }
  return changed;
}

/** Sequences first, then content, then sequences again: of what changed, or of all where that is much. Returns what changed. */
function look(region: OpenRegion, path: string): readonly (readonly [at: number, size: number])[] {
  const { plan, before, content, after } = region;
  fill(region, before, 0, plan.sizeBytes, path);
  const changed = changedRecords(region);
  const parts = changed.length > fewRecords ? ([[0, plan.sizeBytes]] as const) : changed;
  for (const [at, size] of parts) fill(region, content, at, size, path);
  for (const [at, size] of parts) fill(region, after, at, size, path);
  return changed;
}

function readRegion(region: OpenRegion, path: string): StatsSnapshot {
  const { plan, header } = region;
  const changed = look(region, path);
  const one = <F extends Fields>(layout: RecordLayout<F>, at: number): ValuesOf<F> | null => {
    const known = region.decoded.get(at);
    // Only values of this layout are kept under its offset. A sequence that was decoded is one of a whole record.
    if (known?.sequence === region.before.getUint32(at + sequenceAt, true))
      return known.values as ValuesOf<F> | null;
    const sequence = settle(region, layout, at, path);
    const used = region.content.getUint32(at + usedAt, true) !== 0;
    const values = used ? decodeRecord(layout, region.content, at) : null;
    region.decoded.set(at, { sequence, values });
    return values;
  };
  const all = <F extends Fields>(layout: RecordLayout<F>, at: number, count: number): ValuesOf<F>[] =>
    Array.from({ length: count }, (_, index) => one(layout, at + index * layout.sizeBytes)).filter(
      (values) => values !== null,
    );
  const pulse = one(pulseLayout, plan.pulseAt);
  if (region.last !== null && pulse !== null && changed.every(([at]) => at === plan.pulseAt))
    return (region.last = { ...region.last, pulse });
  // Until all of it has been read: a record that stays half-written stops this in the middle.
  region.last = null;
  const totals = one(totalsLayout, plan.totalsAt);
  if (pulse === null || totals === null)
    throw corrupted("ForbiddenValue", "it has no pulse or no totals", path);
  region.last = {
    header,
    pulse,
    totals,
    errors: all(errorLayout, plan.errorsAt, errorCapacity),
    interfaces: all(interfaceLayout, plan.interfacesAt, plan.interfaces),
    functions: all(functionLayout, plan.functionsAt, plan.functions).toSorted(
      (a, b) => a.position - b.position,
    ),
  };
  return region.last;
}

function fill({ fd }: OpenRegion, into: DataView, at: number, sizeBytes: number, path: string): void {
  const view = new DataView(into.buffer, into.byteOffset + at, sizeBytes);
  const got = readSync(fd, view, 0, sizeBytes, at);
  if (got < sizeBytes) throw corrupted("Truncated", `it ends at byte ${at + got}`, path);
}

/** Makes sure that the content of a record is from between two writes, what was read or what is read now. Returns its sequence. */
function settle<F extends Fields>(
  region: OpenRegion,
  layout: RecordLayout<F>,
  at: number,
  path: string,
): number {
  const { before, content, after } = region;
  for (let tries = 0; tries < quickTries + naps; tries++) {
    const sequence = before.getUint32(at + sequenceAt, true);
    if (sequence % 2 === 0 && sequence === after.getUint32(at + sequenceAt, true)) return sequence;
    if (tries >= quickTries) Atomics.wait(nap, 0, 0, napMs);
    fill(region, before, at + sequenceAt, 4, path);
    fill(region, content, at, layout.sizeBytes, path);
    fill(region, after, at + sequenceAt, 4, path);
  }
  throw corrupted("Unsettled", `a ${layout.name} record stayed half-written`, path);
}
