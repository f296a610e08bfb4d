/**
 * The stats region as its one writer has it: slots, growth, and the file's end. It knows no functions and no timers; what
 * is written when is recorder.ts.
 */
import { renameSync, rmSync } from "node:fs";
import { SharedFile } from "../../ffi/shared-file.ts";
import type { ErrorCode } from "../../protocol/error-codes.ts";
import { AetherError } from "../../protocol/errors.ts";
import { encodeRecord } from "../../protocol/stats-codec.ts";
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
} from "../../protocol/stats-layout.ts";
import type {
  FunctionStats,
  HeaderStats,
  InterfaceStats,
  PulseStats,
  RegionCapacity,
  RegionPlan,
} from "../../protocol/stats-layout.ts";
import { SeqlockWriter } from "./seqlock-writer.ts";
import { Totals } from "./totals.ts";

/** Whose statistics these are. */
export type RegionIdentity = Pick<
  HeaderStats,
  "name" | "pid" | "startTicks" | "startedAtMs" | "version" | "criuVersion" | "hostChanges"
>;

export type Pulse = Omit<PulseStats, "superseded" | "ended">;

const smallest: RegionCapacity = { functions: 16, interfaces: 4 };
const largestRecordBytes = Math.max(
  ...[functionLayout, totalsLayout, pulseLayout, errorLayout, interfaceLayout].map(
    ({ sizeBytes }) => sizeBytes,
  ),
);

interface Generation {
  readonly number: number;
  readonly plan: RegionPlan;
  readonly file: SharedFile;
  readonly writer: SeqlockWriter;
}

/** A name for the file while it is being filled: nobody sees a half-written header under the path itself. */
export const draftOf = (path: string): string => `${path}.new`;

export class StatsRegion implements Disposable {
  readonly #path: string;
  readonly #identity: RegionIdentity;
  #generation: Generation;
  readonly #functions = new Map<string, { readonly slot: number; readonly record: FunctionStats }>();
  readonly #freeSlots: number[] = [];
  #nextSlot = 0;
  #interfaces: readonly InterfaceStats[] = [];
  readonly #errors = new Map<ErrorCode, number>();
  readonly #totals = new Totals();
  #pulse: PulseStats;
  #isOpen = true;

  /** Makes the file; one that an earlier engine left gives way. @throws AetherError AE_SHM_CREATE_FAILED, AE_SHM_MAP_FAILED */
  constructor(path: string, identity: RegionIdentity, first: Pulse) {
    this.#path = path;
    this.#identity = identity;
    this.#pulse = { ...first, superseded: 0, ended: 0 };
    this.#generation = this.#make(1, {
      ...smallest,
      functions: Math.max(smallest.functions, first.functionCount),
    });
    this.#writeLife();
    this.#giveName(this.#generation);
  }

  /** What every file has from its first moment on. */
  #writeLife(): void {
    const { plan, writer } = this.#generation;
    writer.write(pulseLayout, plan.pulseAt, this.#pulse);
    writer.write(totalsLayout, plan.totalsAt, this.#totals.record);
  }

  #make(number: number, capacity: RegionCapacity): Generation {
    const plan = planRegion(capacity);
    const draft = draftOf(this.#path);
    rmSync(draft, { force: true });
    const file = SharedFile.create(draft, plan.sizeBytes);
    const header: HeaderStats = {
      ...this.#identity,
      magic: statsMagic,
      layoutVersion: statsLayoutVersion,
      generation: number,
      fileBytes: plan.sizeBytes,
      pulseOffset: plan.pulseAt,
      totalsOffset: plan.totalsAt,
      errorOffset: plan.errorsAt,
      errorCapacity,
      interfaceOffset: plan.interfacesAt,
      interfaceCapacity: plan.interfaces,
      functionOffset: plan.functionsAt,
      functionCapacity: plan.functions,
    };
    encodeRecord(headerLayout, header, new DataView(file.buffer), 0);
    return { number, plan, file, writer: new SeqlockWriter(file.buffer, largestRecordBytes) };
  }

  /** The rename takes the place of whatever lies there, in one step. @throws AetherError AE_SHM_CREATE_FAILED */
  #giveName({ file }: Generation): void {
    try {
      renameSync(file.path, this.#path);
    } catch (error) {
      file[Symbol.dispose]();
      rmSync(file.path, { force: true });
      throw new AetherError("AE_SHM_CREATE_FAILED", `${this.#path} cannot be made`, {
        why: error instanceof Error ? error.message : String(error),
        hint: "Its folder must be writable; the engine runs as root.",
        data: { path: this.#path },
        cause: error,
      });
    }
  }

  /** A larger file with the same content; then the old one is marked, and its readers open the path again. */
  #grow(capacity: RegionCapacity): void {
    const old = this.#generation;
    const next = this.#make(old.number + 1, capacity);
    this.#generation = next;
    try {
      for (const { slot, record } of this.#functions.values()) this.#writeFunction(slot, record);
      this.#writeInterfaces();
      this.#writeErrors();
      this.#writeLife();
      this.#giveName(next);
    } catch (error) {
      this.#generation = old;
      throw error;
    }
    old.writer.write(pulseLayout, old.plan.pulseAt, { ...this.#pulse, superseded: 1 });
    old.file[Symbol.dispose]();
  }

  /** Writes a function's record where it differs, and adds what it rose by to the totals. @throws AetherError when the region cannot grow */
  setFunction(record: FunctionStats): void {
    const known = this.#functions.get(record.id);
    const slot = known?.slot ?? this.#takeSlot();
    this.#totals.add(known?.record ?? null, record);
    this.#functions.set(record.id, { slot, record });
    this.#writeFunction(slot, record);
  }

  #takeSlot(): number {
    const free = this.#freeSlots.pop();
    if (free !== undefined) return free;
    const { functions } = this.#generation.plan;
    if (this.#nextSlot >= functions) this.#grow({ ...this.#generation.plan, functions: functions * 2 });
    this.#nextSlot += 1;
    return this.#nextSlot - 1;
  }

  #writeFunction(slot: number, record: FunctionStats): void {
    const { writer, plan } = this.#generation;
    writer.write(functionLayout, plan.functionsAt + slot * functionLayout.sizeBytes, record);
  }

  /** The last record of a function, `null` for none. */
  functionRecord(id: string): FunctionStats | null {
    return this.#functions.get(id)?.record ?? null;
  }

  /** Gives a function's record free; what it counted stays in the totals. */
  removeFunction(id: string): void {
    const known = this.#functions.get(id);
    if (known === undefined) return;
    const { writer, plan } = this.#generation;
    this.#functions.delete(id);
    this.#freeSlots.push(known.slot);
    writer.clear(functionLayout, plan.functionsAt + known.slot * functionLayout.sizeBytes);
  }

  /** @throws AetherError when the region cannot grow */
  setInterfaces(interfaces: readonly InterfaceStats[]): void {
    const { plan, writer } = this.#generation;
    const former = this.#interfaces.length;
    this.#interfaces = interfaces;
    if (interfaces.length > plan.interfaces)
      return this.#grow({ ...plan, interfaces: interfaces.length * 2 });
    this.#writeInterfaces();
    for (let index = interfaces.length; index < former; index++)
      writer.clear(interfaceLayout, plan.interfacesAt + index * interfaceLayout.sizeBytes);
  }

  #writeInterfaces(): void {
    const { plan, writer } = this.#generation;
    for (const [index, each] of this.#interfaces.entries())
      writer.write(interfaceLayout, plan.interfacesAt + index * interfaceLayout.sizeBytes, each);
  }

  /** @param ofFunction whether a function's own record counts it too */
  countError(code: ErrorCode, ofFunction: boolean): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
    if (!ofFunction) this.#totals.errorsElsewhere += 1;
    this.#writeErrors();
  }

  #writeErrors(): void {
    const { plan, writer } = this.#generation;
    for (const [index, [code, count]] of [...this.#errors].entries())
      writer.write(errorLayout, plan.errorsAt + index * errorLayout.sizeBytes, { code, count });
  }

  /** Writes the totals: once for all records that changed together. */
  flush(): void {
    const { plan, writer } = this.#generation;
    writer.write(totalsLayout, plan.totalsAt, this.#totals.record);
  }

  beat(pulse: Pulse): void {
    const { plan, writer } = this.#generation;
    this.#pulse = { ...pulse, superseded: 0, ended: 0 };
    writer.write(pulseLayout, plan.pulseAt, this.#pulse);
  }

  /** The engine ends in order: readers are told, and the file is removed. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { plan, writer, file } = this.#generation;
    writer.write(pulseLayout, plan.pulseAt, { ...this.#pulse, ended: 1 });
    rmSync(this.#path, { force: true });
    file[Symbol.dispose]();
  }
}
