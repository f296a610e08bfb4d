/** What is wrong between fields, judged from the file alone. */
import type { Draft, FunctionDraft } from "./draft.ts";
import { finding } from "./finding.ts";
import type { ConfigPath, Finding } from "./finding.ts";
import { checkNetworks } from "./network-checks.ts";
import type { FunctionInput } from "./schema/function.ts";
import { formatDuration } from "./units.ts";

/** What the kernel and the launcher take at once: every text with its overhead on the wire. */
export const maxProcessTextBytes = 128 * 1024;
const overheadPerText = 12;
/** The kernel refuses a single longer argument or variable (MAX_ARG_STRLEN), NUL included. */
const maxSingleText = 128 * 1024 - 1;

/** 1-based line of a field, for a message that names another place of the file. */
export type LineOf = (path: ConfigPath) => number;

const at = (entry: FunctionDraft, ...rest: (string | number)[]): ConfigPath => [
  "functions",
  entry.index,
  ...rest,
];
const contradiction = (path: ConfigPath, message: string, hint: string): Finding =>
  finding("AE_CONFIG_CONTRADICTION", path, message, hint);

function duplicates(draft: Draft, lineOf: LineOf): Finding[] {
  const findings: Finding[] = [];
  const ids = new Map<string, FunctionDraft>();
  const ports = new Map<number, FunctionDraft>();
  for (const entry of draft.functions) {
    const { id, trigger_port: port } = entry.fields;
    const sameId = id === undefined ? undefined : ids.get(id);
    const samePort = port === undefined ? undefined : ports.get(port);
    if (sameId !== undefined) {
      const line = lineOf(at(sameId, "id"));
      findings.push(
        finding(
          "AE_CONFIG_DUPLICATE_FUNCTION",
          at(entry, "id"),
          `another function has the id "${id}"`,
          line > 0 ? `It is on line ${line}; ids are unique.` : "Ids are unique.",
        ),
      );
    } else if (id !== undefined) ids.set(id, entry);
    if (samePort !== undefined) {
      const owner = samePort.fields.id ?? "another function";
      const line = lineOf(at(samePort, "trigger_port"));
      findings.push(
        finding(
          "AE_CONFIG_DUPLICATE_PORT",
          at(entry, "trigger_port"),
          `port ${port} already belongs to ${owner}`,
          line > 0 ? `It is declared on line ${line}.` : null,
        ),
      );
    } else if (port !== undefined) ports.set(port, entry);
  }
  return findings;
}

function contradictions(entry: FunctionDraft, dataPlane: Draft["engine"]["data_plane"]): Finding[] {
  const { fields, written } = entry;
  const found: Finding[] = [];
  const add = (field: ConfigPath, message: string, hint: string): void =>
    void found.push(contradiction(at(entry, ...field), message, hint));
  if (!written.has("command") && !written.has("handler")) {
    const hint =
      "Name a program, such as command: python3 handler.py; or one function of a file, such as handler: {runtime: python, entry: app.handle}.";
    found.push(
      finding("AE_CONFIG_MISSING_FIELD", at(entry, "command"), "command or handler is missing", hint),
    );
  }
  if (written.has("command") && written.has("handler"))
    add(
      ["handler"],
      "command and handler are both given: with a handler, Aether brings the program",
      "Remove one of the two.",
    );
  const suspend = fields.idle?.suspend_after;
  const snapshot = fields.idle?.snapshot_after;
  if (typeof suspend === "number" && typeof snapshot === "number" && snapshot < suspend) {
    add(
      ["idle", "snapshot_after"],
      `snapshot_after (${formatDuration(snapshot)}) is shorter than suspend_after (${formatDuration(suspend)})`,
      "A function is suspended first: make snapshot_after the longer one, or write suspend_after: never.",
    );
  }
  if (!written.has("trigger_port")) {
    const hint = "Add trigger_port.";
    if (fields.ready === "port") add(["ready"], "ready: port needs a trigger_port", hint);
    else if (typeof fields.ready === "object")
      add(["ready"], "ready: {http: ...} needs a trigger_port", hint);
    if (fields.warmup !== undefined && fields.warmup.length > 0)
      add(["warmup"], "warmup needs a trigger_port", hint);
    if (written.has("wake_on")) add(["wake_on"], "wake_on needs a trigger_port", hint);
    if (fields.max_connections_per_second !== undefined)
      add(["max_connections_per_second"], "max_connections_per_second needs a trigger_port", hint);
    if (fields.start === "lazy")
      add(["start"], "start: lazy needs a trigger_port: nothing else would ever start the function", hint);
  }
  if (fields.protocol === "udp") {
    const udp = (key: keyof FunctionInput, what: string): void =>
      add([key], `${what} needs protocol: tcp`, "Leave it out, or leave out protocol: udp.");
    if (!written.has("trigger_port"))
      add(["protocol"], "protocol: udp needs a trigger_port", "Add trigger_port.");
    if (typeof fields.ready === "object") udp("ready", "ready: {http: ...}");
    if (fields.warmup !== undefined && fields.warmup.length > 0) udp("warmup", "warmup");
    if (fields.wake_on !== undefined && fields.wake_on !== "connection")
      udp("wake_on", `wake_on: ${fields.wake_on}`);
    if (fields.max_connections_per_second !== undefined)
      udp("max_connections_per_second", "max_connections_per_second");
    if (fields.restore_ahead === "always") udp("restore_ahead", "restore_ahead: always");
  }
  if (fields.restore_ahead === "always" && fields.connections === "keep")
    add(
      ["restore_ahead"],
      "restore_ahead: always contradicts connections: keep, whose clients would be answered by a process that does not run",
      "Leave one of them out.",
    );
  if (fields.restore_ahead === "always" && fields.warm_pool === 0)
    add(
      ["restore_ahead"],
      "restore_ahead: always contradicts warm_pool: 0, which prepares no wake",
      "Leave one of them out.",
    );
  if (dataPlane === "off") {
    const hint = "Add engine.data_plane: {interfaces: [lo]}, or leave it out.";
    if (fields.wake_on === "syn")
      add(["wake_on"], "wake_on: syn needs engine.data_plane, which sees the SYN", hint);
    if (fields.max_connections_per_second !== undefined)
      add(["max_connections_per_second"], "max_connections_per_second needs engine.data_plane", hint);
  }
  if (fields.sleep === "golden" && fields.connections === "keep") {
    add(
      ["connections"],
      "connections: keep contradicts sleep: golden, which discards the process at every sleep",
      "Use connections: close, or sleep: keep.",
    );
  }
  return found;
}

function metricsPort(draft: Draft): Finding[] {
  const { metrics } = draft.engine;
  if (metrics === undefined || metrics === "off") return [];
  const { port } = metrics.listen;
  return draft.functions
    .filter(({ fields }) => fields.trigger_port === port)
    .map((entry) =>
      finding(
        "AE_CONFIG_DUPLICATE_PORT",
        at(entry, "trigger_port"),
        `port ${port} is that of the engine's metrics`,
        "Choose another port, or move the metrics: engine.metrics: {listen: 127.0.0.1:9091}, or off.",
      ),
    );
}

function environment(entry: FunctionDraft): Finding[] {
  const found: Finding[] = [];
  const { env = {}, command = [] } = entry.fields;
  const variables = Object.entries(env).map(
    ([name, value]) => Buffer.byteLength(name) + 1 + Buffer.byteLength(value),
  );
  const words =
    typeof command === "string"
      ? [Buffer.byteLength(command)]
      : command.map((word) => Buffer.byteLength(word));
  const total = [...variables, ...words].reduce((sum, bytes) => sum + bytes + overheadPerText, 0);
  if (total > maxProcessTextBytes || Math.max(0, ...variables, ...words) > maxSingleText) {
    const field = variables.reduce((sum, bytes) => sum + bytes, 0) * 2 > total ? "env" : "command";
    found.push({
      ...finding(
        "AE_CONFIG_INVALID_VALUE",
        at(entry, field),
        `command and env take ${total} bytes; at most ${maxProcessTextBytes} can be given to a program`,
        "Put large values into a file.",
      ),
      atKey: true,
    });
  }
  return found;
}

/** Every contradiction of a file. */
export function checkDraft(draft: Draft, lineOf: LineOf): Finding[] {
  return [
    ...metricsPort(draft),
    ...duplicates(draft, lineOf),
    ...checkNetworks(draft),
    ...draft.functions.flatMap((entry) => [
      ...contradictions(entry, draft.engine.data_plane),
      ...environment(entry),
    ]),
  ];
}
