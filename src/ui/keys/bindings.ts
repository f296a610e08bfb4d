/**
 * The one table of keys: the dispatcher, the hint line, the help, the palette and the documentation are made from it.
 * Only keys that every terminal delivers through Ink: no function keys, no Alt.
 */

/** Where a binding holds. "global" holds wherever no text is being typed and no dialog is open. */
export const scopes = [
  "global",
  "functions",
  "detail",
  "logs",
  "all-logs",
  "events",
  "lines",
  "wakes",
  "invocations",
  "packets",
  "help",
  "dialog",
  "report",
  "form",
  "palette",
  "input",
] as const;
export type Scope = (typeof scopes)[number];

export interface Binding {
  readonly command: string;
  /** Names as in `key-names.ts`; the first one is shown. */
  readonly keys: readonly string[];
  readonly scopes: readonly Scope[];
  /** For the hint line and the palette: a word or two. */
  readonly label: string;
  /** For the help: one sentence. */
  readonly help: string;
  /** Place in the hint line; `null` keeps it out. Low numbers stay when room is short. */
  readonly hint: number | null;
  /** Changes something in the engine: refused in a read-only console. */
  readonly mutates: boolean;
}

interface Extra {
  readonly hint?: number;
  readonly mutates?: boolean;
}

const bind = <Command extends string>(
  command: Command,
  keys: readonly string[],
  where: readonly Scope[],
  label: string,
  help: string,
  extra: Extra = {},
) =>
  ({
    command,
    keys,
    scopes: where,
    label,
    help,
    hint: extra.hint ?? null,
    mutates: extra.mutates ?? false,
  }) as const;

/** Scopes in which the function that a key will act on is in sight. */
const onFunction: readonly Scope[] = ["functions", "detail", "logs"];
const inLogs: readonly Scope[] = ["logs", "all-logs"];
/** A log, and lines of it being chosen. */
const onLines: readonly Scope[] = ["logs", "all-logs", "lines"];
const scrolling: readonly Scope[] = ["global", "report"];
/** Where text is typed or something is asked: all keys go there, save those that hold everywhere. */
export const modalScopes: readonly Scope[] = ["dialog", "report", "form", "palette", "input"];

/** The table, by the headings under which the help shows it. */
export const sections = [
  {
    title: "On the selected function",
    bindings: [
      bind("snapshot", ["s"], onFunction, "snapshot", "Put the function to sleep as a snapshot.", {
        hint: 12,
        mutates: true,
      }),
      bind("wake", ["W"], onFunction, "wake", "Wake the function now, without waiting for a client.", {
        hint: 11,
        mutates: true,
      }),
      bind("suspend", ["u"], onFunction, "suspend", "Freeze the function in memory.", {
        hint: 15,
        mutates: true,
      }),
      bind(
        "restore",
        ["r"],
        onFunction,
        "restore",
        "Restore the snapshot; a running function loses its memory (asks).",
        {
          hint: 13,
          mutates: true,
        },
      ),
      bind(
        "restart",
        ["R"],
        onFunction,
        "restart",
        "Start the function anew from its command; memory and snapshot are discarded (asks).",
        { hint: 14.5, mutates: true },
      ),
      bind("kill", ["X"], onFunction, "kill", "End the processes of the function at once (asks).", {
        hint: 14,
        mutates: true,
      }),
      bind(
        "invoke",
        ["i"],
        onFunction,
        "invoke",
        "Write an event or a request for the function, and see its answer.",
        {
          hint: 10,
          mutates: true,
        },
      ),
      bind(
        "mark",
        ["space"],
        ["functions"],
        "mark",
        "Mark the row, or take its mark off: actions hit all marked rows.",
        {
          hint: 18,
        },
      ),
      bind("mark-all", ["a"], ["functions"], "mark all", "Mark all rows that the filter shows, or none."),
      bind(
        "page-log",
        ["P"],
        onFunction,
        "log in pager",
        "Open the whole log of the function in your pager ($PAGER).",
      ),
      bind("copy-id", ["y"], onFunction, "copy id", "Copy the id of the function."),
      bind(
        "copy-record",
        ["y"],
        ["wakes", "invocations", "events"],
        "copy as JSON",
        "Copy the selected wake or invocation as JSON; of events, all that the filter shows.",
      ),
      bind("copy-row", ["Y"], onFunction, "copy as JSON", "Copy all that is known of the function, as JSON."),
    ],
  },
  {
    title: "Panes",
    bindings: [
      bind("detail", ["enter"], ["functions"], "details", "Show everything known about the function.", {
        hint: 1,
      }),
      bind("logs", ["l"], ["functions", "detail"], "log", "Show the output of the function.", { hint: 2 }),
      bind(
        "zoom",
        ["z"],
        ["functions", "detail", "logs"],
        "zoom",
        "Give the pane the whole screen, and back.",
      ),
      bind("next-pane", ["tab", "S-tab"], onFunction, "other pane", "Move between the table and the pane.", {
        hint: 7,
      }),
      bind("back", ["esc"], ["global"], "back", "Close what is on top: search, pane, view. Never quits.", {
        hint: 6,
      }),
    ],
  },
  {
    title: "Table",
    bindings: [
      bind(
        "filter",
        ["/"],
        ["functions"],
        "filter",
        "Show only rows that match: letters in their order, /regular expression, !all others.",
        { hint: 16 },
      ),
      bind("sort", ["o", ">"], ["functions"], "sort", "Sort by the next column.", { hint: 17 }),
      bind("sort-back", ["<"], ["functions"], "sort back", "Sort by the column before."),
      bind("reverse", ["O"], ["functions"], "reverse", "Turn the order round."),
      bind("expand", ["right", "+"], ["functions"], "expand", "Show the instances of the function.", {
        hint: 18,
      }),
      bind("collapse", ["left", "-"], ["functions"], "collapse", "Hide the instances of the function."),
    ],
  },
  {
    title: "Wakes, invocations, packets",
    bindings: [
      bind(
        "only-selected",
        ["a"],
        ["wakes", "invocations", "packets"],
        "all or one",
        "Show all functions, or only the one selected in the table.",
        { hint: 2 },
      ),
      bind(
        "go-to-function",
        ["enter"],
        ["wakes", "invocations"],
        "function",
        "Go to the function of the selected row.",
        { hint: 1 },
      ),
    ],
  },
  {
    title: "Logs and events",
    bindings: [
      bind(
        "follow",
        ["f"],
        ["logs", "all-logs", "events", "packets"],
        "follow",
        "Keep to the newest line, or stay where you are.",
        { hint: 1 },
      ),
      bind("search", ["/"], inLogs, "search", "Find text in the log.", { hint: 2 }),
      bind("filter-events", ["/"], ["events"], "filter", "Show only events that match; as in the table.", {
        hint: 2,
      }),
      bind("next-match", ["n"], inLogs, "next", "Go to the next match, downwards.", { hint: 3 }),
      bind("previous-match", ["N"], inLogs, "previous", "Go to the previous match, upwards."),
      bind(
        "search-regex",
        ["C-r"],
        [...inLogs, "input"],
        "regular expression",
        "Search by regular expression, or for the text as it is.",
      ),
      bind(
        "search-case",
        ["C-t"],
        [...inLogs, "input"],
        "exact case",
        "Search in exactly the case typed; else lower case finds both.",
      ),
      bind("wrap", ["w"], inLogs, "wrap", "Wrap long lines, or cut them.", { hint: 4 }),
      bind("times", ["t"], inLogs, "times", "Show or hide the time of each line.", { hint: 5 }),
      bind("choose-lines", ["v"], inLogs, "choose lines", "Move a cursor over lines, to copy or mark them.", {
        hint: 8,
      }),
      bind(
        "start-lines",
        ["v", "space"],
        ["lines"],
        "start here",
        "Begin the lines to copy here, or begin anew.",
        {
          hint: 1,
        },
      ),
      bind("copy-lines", ["y", "enter"], ["lines"], "copy lines", "Copy the chosen lines.", { hint: 2 }),
      bind(
        "mark-line",
        ["m"],
        onLines,
        "mark line",
        "Mark the line under the cursor, or the newest one in sight.",
        {
          hint: 3.5,
        },
      ),
      bind("next-mark", ["'"], onLines, "next mark", "Go to the next marked line, downwards."),
      bind("previous-mark", ['"'], onLines, "previous mark", "Go to the marked line above."),
      bind(
        "save-log",
        ["S"],
        onLines,
        "save log",
        "Write the lines shown here to a file in the current folder.",
        {
          hint: 9,
        },
      ),
      bind("clear-log", ["C-l"], inLogs, "clear log", "Take away the lines that are there; new ones appear."),
      bind("show-cleared", [], inLogs, "show cleared lines", "Bring back the lines that were cleared away."),
      bind("raw-log", ["J"], inLogs, "raw JSON", "Show lines of JSON as they were written, or readable."),
      bind(
        "log-all",
        ["a"],
        ["all-logs"],
        "all sources",
        "Show the output of all functions again, after that of some.",
      ),
    ],
  },
  {
    title: "Moving",
    bindings: [
      bind("down", ["down", "j"], scrolling, "down", "One row down."),
      bind("up", ["up", "k"], scrolling, "up", "One row up."),
      bind("page-down", ["pgdn", "C-f"], scrolling, "page down", "One page down."),
      bind("page-up", ["pgup", "C-b"], scrolling, "page up", "One page up."),
      bind("half-down", ["C-d"], scrolling, "half page down", "Half a page down."),
      bind("half-up", ["C-u"], scrolling, "half page up", "Half a page up."),
      bind("first", ["home", "g"], scrolling, "first", "To the beginning."),
      bind("last", ["end", "G"], scrolling, "last", "To the end; a log follows again."),
    ],
  },
  {
    title: "Views",
    bindings: [
      bind("view-functions", ["1"], ["global"], "functions", "The table of functions."),
      bind("view-logs", ["2"], ["global"], "all logs", "The output of all functions together."),
      bind("view-events", ["3"], ["global"], "events", "What happened, step by step."),
      bind("view-wakes", ["4"], ["global"], "wakes", "Every wake: where its time went, and why it was slow."),
      bind(
        "view-system",
        ["5"],
        ["global"],
        "system",
        "The machine and the engine: load, memory, storage, what was changed on this host.",
      ),
      bind(
        "view-config",
        ["6"],
        ["global"],
        "config",
        "The file, what is wrong in it, what a reload changed.",
      ),
      bind(
        "view-invocations",
        ["7"],
        ["global"],
        "invocations",
        "Events given to functions, and how they ended.",
      ),
      bind(
        "view-network",
        ["8"],
        ["global"],
        "network",
        "Packets and bytes by interface and by port; drops.",
      ),
      bind("view-packets", ["9"], ["global"], "packets", "Packets of the selected function as they pass."),
    ],
  },
  {
    title: "Console",
    bindings: [
      bind("palette", [":"], ["global"], "command", "Find and run any command by name.", { hint: 30 }),
      bind("help", ["?"], ["global"], "help", "This page.", { hint: 31 }),
      bind("reload", ["L"], ["global"], "reload", "Read aether.yaml again and apply what changed.", {
        mutates: true,
      }),
      bind(
        "edit-config",
        ["e"],
        ["global"],
        "edit config",
        "Open aether.yaml in your editor ($VISUAL, $EDITOR), then apply it.",
        {
          mutates: true,
        },
      ),
      bind("freeze", ["p"], ["global"], "hold screen", "Hold the screen still to read it, and let go."),
      bind(
        "failures",
        ["E"],
        ["global"],
        "failed orders",
        "What failed lately, with the reasons; can be copied.",
      ),
      bind("theme", ["T"], ["global"], "theme", "Change to the next theme."),
      bind("shutdown", [], ["global"], "stop engine", "Stop the engine and everything it runs (asks).", {
        mutates: true,
      }),
      bind(
        "suspend-console",
        ["C-z"],
        ["global", ...modalScopes],
        "to the shell",
        "Go back to the shell for a while (fg returns).",
      ),
      bind(
        "detach",
        ["D"],
        ["global"],
        "detach",
        "Leave, and let the engine go on. One in this process cannot.",
      ),
      bind(
        "quit",
        ["q"],
        ["global"],
        "quit",
        "Leave. An engine in this process ends (asks when functions run).",
        { hint: 32 },
      ),
      bind(
        "interrupt",
        ["C-c"],
        ["global", ...modalScopes],
        "quit at once",
        "Twice: leave without being asked.",
      ),
    ],
  },
  {
    title: "Dialogs and typing",
    bindings: [
      bind("dialog-yes", ["y"], ["dialog"], "yes", "Do it."),
      bind("dialog-no", ["n", "esc", "q"], ["dialog"], "no", "Leave it."),
      bind("dialog-choose", ["enter", "space"], ["dialog"], "choose", "Take the marked answer."),
      bind(
        "dialog-move",
        ["tab", "S-tab", "left", "right", "h", "l", "j", "k", "up", "down"],
        ["dialog"],
        "other",
        "Mark the other answer.",
      ),
      bind("report-close", ["esc", "enter", "q"], ["report"], "close", "Close what is shown.", { hint: 2 }),
      bind("report-copy", ["y", "c"], ["report"], "copy", "Copy what is shown.", { hint: 1 }),
      bind("form-send", ["enter"], ["form"], "send", "Invoke the function with what is written.", {
        hint: 1,
      }),
      bind("form-next", ["tab", "down", "C-n"], ["form"], "next field", "To the next field.", { hint: 2 }),
      bind("form-previous", ["S-tab", "up", "C-p"], ["form"], "field before", "To the field before."),
      bind("form-edit", ["C-o"], ["form"], "editor", "Write the body in your editor ($VISUAL, $EDITOR).", {
        hint: 3,
      }),
      bind("form-cancel", ["esc"], ["form"], "close", "Leave it; nothing is sent.", { hint: 4 }),
      bind("palette-down", ["down", "C-n", "tab"], ["palette"], "down", "Next command."),
      bind("palette-up", ["up", "C-p", "S-tab"], ["palette"], "up", "Previous command."),
      bind("accept", ["enter"], ["palette", "input"], "accept", "Take what was typed."),
      bind("cancel", ["esc"], ["palette", "input"], "cancel", "Forget what was typed."),
    ],
  },
] as const;

export type CommandId = (typeof sections)[number]["bindings"][number]["command"];

/** All bindings, for those who walk over them. */
export const bindingTable: readonly (Binding & { readonly command: CommandId })[] = sections.flatMap(
  (section) => [...section.bindings],
);
