/** What happened, one record a step; text for people is made in one place, `describeEvent`. */
import type { ConfigProblem } from "./config.ts";
import type { FieldChange } from "./config-change.ts";
import { assertNever } from "./errors.ts";
import type { ErrorData } from "./errors.ts";
import type { ErrorCode } from "./error-codes.ts";
import type { InstanceState } from "./states.ts";
import type { WakeRecord } from "./wakes.ts";

export type EventBody =
  /** One step of the lifecycle table, with the time it took. */
  | {
      readonly type: "transition";
      readonly functionId: string;
      readonly instance: string;
      readonly from: InstanceState;
      readonly to: InstanceState;
      readonly durationMs: number;
      readonly cause: string;
    }
  | ({ readonly type: "wake"; readonly instance: string; readonly error: null } & WakeRecord)
  /** A wake that did not come about; the error itself is an event of its own. */
  | ({ readonly type: "wake-failed"; readonly error: ErrorCode } & WakeRecord)
  /** A suspended function's memory was handed back to the machine's swap (`idle.reclaim`). */
  | {
      readonly type: "reclaim";
      readonly functionId: string;
      readonly instance: string;
      /** Private memory present before, and how much less it is now; bytes. */
      readonly beforeBytes: number;
      readonly reclaimedBytes: number;
      readonly durationMs: number;
      /** A client came in the middle, and the rest was left alone. */
      readonly interrupted: boolean;
    }
  | {
      readonly type: "exit";
      readonly functionId: string;
      readonly instance: string;
      readonly pid: number;
      readonly exitCode: number | null;
      readonly signal: string | null;
      readonly expected: boolean;
    }
  | { readonly type: "error"; readonly functionId: string | null; readonly error: ErrorData }
  | {
      readonly type: "reload";
      readonly added: readonly string[];
      readonly changed: readonly string[];
      readonly removed: readonly string[];
      readonly unchanged: readonly string[];
      /** Field by field; bounded. */
      readonly changes: readonly FieldChange[];
    }
  | { readonly type: "reload-refused"; readonly problems: readonly ConfigProblem[] }
  /** How far the start is. */
  | { readonly type: "progress"; readonly ready: number; readonly total: number }
  | { readonly type: "notice"; readonly functionId: string | null; readonly text: string };

export type EngineEvent = EventBody & { readonly seq: number; readonly atMs: number };

/** The level by which views colour an event and `log_level` filters it. */
export function eventLevel(event: EventBody): "error" | "warn" | "info" | "debug" {
  switch (event.type) {
    case "error":
    case "reload-refused":
      return "error";
    case "exit":
      return event.expected ? "info" : "warn";
    case "wake":
      return event.overBudget ? "warn" : "info";
    case "wake-failed":
      return "warn";
    case "transition":
    case "reclaim":
    case "reload":
    case "progress":
    case "notice":
      return "info";
    default:
      return assertNever(event);
  }
}

const ms = (value: number): string => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`;

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** One line for people, without a time stamp. */
export function describeEvent(event: EventBody): string {
  switch (event.type) {
    case "transition":
      return `${event.functionId}: ${event.from} -> ${event.to} in ${ms(event.durationMs)} (${event.cause})`;
    case "wake": {
      const how = event.ahead ? "restored ahead, resumed in" : "restore";
      const restore = event.restoreMs === null ? "" : `, ${how} ${ms(event.restoreMs)}`;
      const over = event.overBudget ? ", over budget" : "";
      return `${event.functionId}: woken from ${event.tier} in ${ms(event.totalMs)}${restore}${over}`;
    }
    case "wake-failed":
      return `${event.functionId}: not woken from ${event.tier}, ${ms(event.totalMs)} (${event.error})`;
    case "reclaim": {
      const rest = event.interrupted ? ", interrupted by its wake" : "";
      return `${event.functionId}: ${mib(event.reclaimedBytes)} of ${mib(event.beforeBytes)} handed back to swap in ${ms(event.durationMs)}${rest}`;
    }
    case "exit": {
      const how = event.signal === null ? `with code ${event.exitCode}` : `by ${event.signal}`;
      return `${event.functionId}: process ${event.pid} ended ${how}`;
    }
    case "error": {
      const { error } = event;
      const where = event.functionId === null ? "" : `${event.functionId}: `;
      const why = error.why === null ? "" : `: ${error.why}`;
      return `${where}${error.code} ${error.what}${why}`;
    }
    case "reload":
      return `reloaded: ${event.added.length} added, ${event.changed.length} changed, ${event.removed.length} removed, ${event.unchanged.length} unchanged`;
    case "reload-refused":
      return `reload refused, the previous configuration stays: ${event.problems.length} problem(s)`;
    case "progress":
      return `${event.ready} of ${event.total} functions ready`;
    case "notice":
      return event.functionId === null ? event.text : `${event.functionId}: ${event.text}`;
    default:
      return assertNever(event);
  }
}
