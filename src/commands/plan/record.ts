/** `aether plan --record`: writes what the engine sees of its clients as a profile. */
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import type { Writable } from "node:stream";
import type { ControlRequests } from "../../client/control-requests.ts";
import { ConnectionDiff } from "../../engine/plan/connection-diff.ts";
import { formatProfileLine } from "../../engine/plan/profile-line.ts";
import type { ProfileEntry } from "../../engine/plan/profile-line.ts";
import { AetherError } from "../../protocol/errors.ts";
import type { EngineEvent } from "../../protocol/events.ts";

/** How often the counters are read. Nothing is missed between two reads; only the time within them is less exact. */
export const sampleMs = 100;

export interface RecordOptions {
  /** `-`: stdout. */
  readonly file: string;
  /** `null`: until the signal. */
  readonly forMs: number | null;
  readonly signal: AbortSignal;
}

/** Records until the time is over, the signal comes, or the engine ends. Returns the number of lines written. */
export async function record(requests: ControlRequests, options: RecordOptions): Promise<number> {
  const diff = new ConnectionDiff();
  // Before the file is made: without an engine there is nothing to record.
  const first = await requests.connections();
  const out = await openProfile(options.file);
  const over = new AbortController();
  const stop = (): void => over.abort();
  options.signal.addEventListener("abort", stop);
  const timer = options.forMs === null ? undefined : setTimeout(stop, options.forMs);
  // A full disk, or a reader of stdout that has gone: what is written so far stays.
  const broken: Error[] = [];
  const onBroken = (error: Error): void => {
    broken.push(error);
    stop();
  };
  out.on("error", onBroken);
  let lines = 0;
  const write = async (entries: readonly ProfileEntry[]): Promise<void> => {
    for (const entry of entries) {
      lines += 1;
      if (broken.length > 0) return;
      // A broken one never drains: `broken` says so.
      if (!out.write(`${formatProfileLine(entry)}\n`)) await once(out, "drain").catch(() => undefined);
    }
  };
  // Wakes of clients that wait on a listener of the engine's own are told by events alone; see ConnectionDiff.
  const wakes: { readonly id: string; readonly seenAtMs: number }[] = [];
  const following = follow(requests, over.signal, (event) => {
    if (event.type === "wake" && event.tier === "cold" && event.cause === "connection")
      wakes.push({ id: event.functionId, seenAtMs: event.seenAtMs });
  });
  try {
    await write(diff.entries(first));
    while (!over.signal.aborted) {
      await pause(sampleMs, over.signal);
      const due = wakes.splice(0);
      await write(diff.entries(await requests.connections()));
      await write(due.flatMap(({ id, seenAtMs }) => diff.uncounted(id, seenAtMs) ?? []));
    }
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", stop);
    over.abort();
    await following;
    if (out !== process.stdout) await new Promise<void>((resolve) => void out.end(() => resolve()));
    out.off("error", onBroken);
  }
  const [error] = broken;
  if (error === undefined) return lines;
  throw new AetherError("AE_USAGE", `the recording into ${options.file} broke off after ${lines} lines`, {
    why: error.message,
    hint: "Make room, or name another file; the lines that were written can be replayed.",
  });
}

async function follow(
  requests: ControlRequests,
  signal: AbortSignal,
  onEvent: (event: EngineEvent) => void,
): Promise<void> {
  try {
    for await (const message of requests.followEvents(0, signal))
      if (message.type === "event") onEvent(message.event);
  } catch {
    // The engine is gone: the next count says so.
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal.aborted) done();
    else signal.addEventListener("abort", done);
  });
}

/** A file that is there is not written over: a recording may have taken days. */
async function openProfile(file: string): Promise<Writable> {
  if (file === "-") return process.stdout;
  const out = createWriteStream(file, { flags: "wx", mode: 0o600 });
  try {
    await once(out, "open");
    return out;
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw new AetherError("AE_USAGE", `cannot record into ${file}`, {
      why: exists ? "the file is there already" : error instanceof Error ? error.message : String(error),
      hint: exists ? "Name another file, or remove it." : "Name a file in a folder that can be written.",
    });
  }
}
