/** The whole state of a console. Everything drawn is a function of it. */
import type { FunctionAction } from "../../protocol/control.ts";
import type { ErrorData } from "../../protocol/errors.ts";
import type { Role } from "../format/line.ts";
import type { ThemeName } from "../theme/themes.ts";
import type { Keymap } from "../keys/keymap.ts";
import type { Data } from "./data.ts";
import type { Failure } from "./failures.ts";
import type { InvokeDrafts, InvokeField } from "./invoke-form.ts";

export const viewIds = [
  "functions",
  "logs",
  "events",
  "wakes",
  "system",
  "config",
  "invocations",
  "network",
  "packets",
] as const;
export type ViewId = (typeof viewIds)[number];

export type PaneId = "detail" | "logs";

/** Areas whose content scrolls by lines. */
export type ScrollArea = "detail" | "system" | "config" | "network" | "help";

/** Lists of records, the newest first, one of which is selected. */
export type ListArea = "wakes" | "invocations";

export interface ListState {
  /** Key of the selected record; `null` keeps to the newest. */
  readonly selected: string | null;
  readonly offset: number;
}

/** Areas that grow at the end and can follow it. */
export type FeedArea = "logs" | "all-logs" | "events" | "packets";

/** Where a feed stands when it does not follow: the first row shown, as an item's number and a row of that item. */
export interface Anchor {
  readonly n: number;
  readonly row: number;
}

export interface Feed {
  readonly follow: boolean;
  readonly anchor: Anchor;
  readonly search: string;
  /** Number of the item on which the search stands. */
  readonly match: number | null;
  /** Lines being chosen, to copy or mark them; `null` otherwise. */
  readonly choice: LineChoice | null;
}

/** A cursor in a log, and where the choice began; both are numbers of items. */
export interface LineChoice {
  readonly cursor: number;
  /** `null`: only the line under the cursor. */
  readonly from: number | null;
}

/** How logs are shown. */
export interface LogOptions {
  readonly regex: boolean;
  /** Search in the case that was typed only. */
  readonly exactCase: boolean;
  /** JSON lines as they were written. */
  readonly raw: boolean;
  /** Numbers of the lines marked. */
  readonly marks: ReadonlySet<number>;
  /** Lines below this number were cleared away, by function id; "" for all functions together. */
  readonly cleared: ReadonlyMap<string, number>;
  /** The functions shown together; `null`: all. */
  readonly only: readonly string[] | null;
}

export interface TextInput {
  readonly text: string;
  /** Index into `text`. */
  readonly cursor: number;
}

/** What a confirmed dialog does. Bound to an id when asked, whatever the list does meanwhile. */
export type Deed =
  | { readonly type: "action"; readonly functionIds: readonly string[]; readonly action: FunctionAction }
  | { readonly type: "edit-config" }
  | { readonly type: "quit" }
  | { readonly type: "shutdown" };

/** A piece of a report: wrapped to the screen, with a sign before its first row. Safe to draw. */
export interface Paragraph {
  readonly text: string;
  readonly role: Role;
  readonly lead: string;
  /** Blanks count: broken at the edge, not between words. */
  readonly verbatim?: boolean;
}
export type InputTarget = "filter" | "search" | "event-filter";

export type Modal =
  /** Something to read, scroll and copy. */
  | {
      readonly type: "report";
      /** The failures that it tells, where it does: more are added to it while it is open. */
      readonly failures: readonly Failure[];
      readonly title: string;
      readonly level: "good" | "bad";
      readonly paragraphs: readonly Paragraph[];
      /** What copying takes, and what that is called. */
      readonly copy: string;
      readonly copyName: string;
      readonly offset: number;
    }
  | {
      readonly type: "confirm";
      readonly title: string;
      readonly lines: readonly string[];
      readonly yes: string;
      readonly no: string;
      readonly chosen: "yes" | "no";
      readonly deed: Deed;
    }
  /** An invocation being written. */
  | {
      readonly type: "invoke";
      readonly functionId: string;
      readonly kind: "request" | "event";
      readonly field: InvokeField;
      readonly inputs: Readonly<Record<InvokeField, TextInput>>;
      /** What is wrong with the field. */
      readonly problem: string | null;
    }
  | { readonly type: "palette"; readonly input: TextInput; readonly selected: number }
  /** Typing into the filter of the table or the search of a log. */
  | {
      readonly type: "input";
      readonly target: InputTarget;
      readonly input: TextInput;
      readonly before: string;
    };

export interface Toast {
  readonly id: number;
  readonly level: "good" | "bad" | "info";
  readonly text: string;
  /** Further lines: why, what to do. */
  readonly error: ErrorData | null;
  /** How often the same was said since it appeared. */
  readonly times: number;
}

export const sortKeys = [
  "file",
  "id",
  "state",
  "age",
  "port",
  "wakes",
  "exits",
  "last",
  "p50",
  "p95",
  "cpu",
  "memory",
  "packets",
  "error",
] as const;
export type SortKey = (typeof sortKeys)[number];

export interface TableState {
  readonly selectedId: string | null;
  /** Where the selected row is, for the day on which its function goes away. */
  readonly selectedIndex: number;
  readonly offset: number;
  readonly sort: SortKey;
  readonly reversed: boolean;
  readonly filter: string;
  /** Functions whose instances are shown below them. */
  readonly expanded: ReadonlySet<string>;
}

export interface Ui {
  readonly columns: number;
  readonly rows: number;
  readonly view: ViewId;
  /** Views that Esc goes back to. */
  readonly history: readonly ViewId[];
  readonly pane: PaneId | null;
  readonly focus: "main" | "pane";
  readonly zoomed: boolean;
  readonly help: boolean;
  readonly table: TableState;
  readonly scroll: Readonly<Record<ScrollArea, number>>;
  readonly lists: Readonly<Record<ListArea, ListState>>;
  /** Wakes, invocations and packets of the selected function alone, or of all. */
  readonly onlySelected: Readonly<Record<ListArea | "packets", boolean>>;
  /** What the events are filtered by. */
  readonly eventFilter: string;
  readonly feeds: Readonly<Record<FeedArea, Feed>>;
  readonly wrap: boolean;
  readonly times: boolean;
  readonly logs: LogOptions;
  readonly modal: Modal | null;
  readonly toasts: readonly Toast[];
  /** Functions that were marked: actions in the table hit these. */
  readonly marked: ReadonlySet<string>;
  readonly drafts: InvokeDrafts;
  /** Orders that failed, the newest last. */
  readonly failures: readonly Failure[];
  /** Actions asked for and not answered yet. */
  readonly pending: ReadonlyMap<string, FunctionAction>;
  /** Sequence number of the newest event seen in its view. */
  readonly seenEvent: number;
  readonly theme: ThemeName;
  readonly readOnly: boolean;
  readonly keymap: Keymap;
}

export interface ConsoleState {
  readonly data: Data;
  /** What is on the screen while it is held still. */
  readonly held: Data | null;
  readonly ui: Ui;
}
