/** The configuration of a function that is in force. */
import type { PublicFunctionConfig, ReadyRule } from "../../protocol/config.ts";
import { assertNever } from "../../protocol/errors.ts";
import type { Line } from "../format/line.ts";
import { formatBytes, formatDeclaredMs } from "../format/units.ts";
import { field, heading } from "./blocks.ts";

const wakeWords: Readonly<Record<PublicFunctionConfig["wakeOn"], string>> = {
  connection: "a connection",
  syn: "the first SYN",
  data: "the first data of a client",
};

const restoreWords: Readonly<Record<PublicFunctionConfig["restoreAhead"], string>> = {
  auto: "ahead of its wake, if its image is mapped",
  always: "ahead of its wake",
  never: "when it is woken",
};

function readyText(rule: ReadyRule): string {
  switch (rule.kind) {
    case "handshake":
      return "READY over the handshake socket";
    case "port":
      return "listens on its port";
    case "http":
      return `answers GET ${rule.path}`;
    default:
      return assertNever(rule);
  }
}

/** The configuration in force, for people. */
export function declaredLines(config: PublicFunctionConfig, width: number): readonly Line[] {
  const { idle } = config;
  const user = config.user === null ? "as the engine" : `${config.user.name} (${config.user.uid})`;
  const rows: readonly (readonly [string, string])[] = [
    ["command", config.command.join(" ")],
    ["cwd", config.cwd],
    ["user", config.privileged ? `${user}, PRIVILEGED` : user],
    [
      "env",
      config.envNames.length === 0 ? "nothing declared" : `${config.envNames.join(", ")} (values hidden)`,
    ],
    ["memory limit", config.memoryLimitBytes === null ? "none" : formatBytes(config.memoryLimitBytes)],
    ["ready", `${readyText(config.ready)}, within ${formatDeclaredMs(config.readyTimeoutMs)}`],
    ["start", config.start],
    ["woken by", wakeWords[config.wakeOn]],
    ["image", `${config.image}${config.warmPool === null ? "" : `, ${config.warmPool} wakes prepared`}`],
    ["restored", restoreWords[config.restoreAhead]],
    ...(config.maxConnectionsPerSecond === null
      ? []
      : [["limit", `${config.maxConnectionsPerSecond} connections a second, the rest dropped`] as const]),
    ...(config.handler === null
      ? []
      : [
          [
            "handler",
            `${config.handler.runtime} ${config.handler.entry}, ${formatDeclaredMs(config.handler.timeoutMs)} an event, ${config.handler.concurrency} at once`,
          ] as const,
        ]),
    ["sleep", config.sleep === "keep" ? "keep: every sleep keeps memory" : "golden: always the first image"],
    [
      "idle",
      `suspend after ${formatDeclaredMs(idle.suspendAfterMs)}, snapshot after ${formatDeclaredMs(idle.snapshotAfterMs)}${idle.reclaim ? "; suspended, its memory goes to swap" : ""}`,
    ],
    ["connections", `${config.connections}${idle.ignoreOpen ? ", idle open ones ignored" : ""}`],
    ["budget", `${formatDeclaredMs(config.restoreBudgetMs)}, then ${config.onViolation}`],
    ["restore fails", config.onRestoreFailure === "fail" ? "fail" : "start cold"],
    [
      "warm-up",
      config.warmup.length === 0
        ? "none"
        : config.warmup.map(({ method, path }) => `${method} ${path}`).join(", "),
    ],
    ["stop", `${config.stopSignal}, then SIGKILL after ${formatDeclaredMs(config.stopTimeoutMs)}`],
  ];
  return [heading("DECLARED"), ...rows.flatMap(([label, value]) => field(label, value, width))];
}
