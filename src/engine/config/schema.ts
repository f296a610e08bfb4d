/**
 * The schema of aether.yaml: the only place that says which fields there are. Types, JSON schema, docs/configuration.md
 * and the "did you mean" of misspelt keys come from it. What takes more than one field to judge is in checks.ts.
 */
import { z } from "zod";
import { logLevels } from "../../protocol/config.ts";
import { idPattern, maxEngineNameLength, maxFunctionIdLength } from "../../protocol/paths.ts";
import {
  budgetMs,
  duration,
  durationOrNever,
  flag,
  listenAddress,
  oneOf,
  port,
  rule,
  size,
  text,
} from "./fields.ts";

/** Signals that can ask a server to stop. */
export const stopSignals = [
  "SIGTERM",
  "SIGINT",
  "SIGQUIT",
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
  "SIGABRT",
  "SIGKILL",
] as const;

const violation = oneOf(["fail", "serve"]);

const identifier = (maxLength: number): z.ZodType<string, string> => {
  const sentence = `1 to ${maxLength} letters, digits, - or _, the first a letter or digit`;
  return z
    .string(rule(sentence))
    .refine((value) => value.length <= maxLength && idPattern.test(value), rule(sentence))
    .meta({ pattern: idPattern.source, minLength: 1, maxLength });
};

const httpPath = z
  .string(rule("a path that begins with /"))
  .regex(/^\/[\x21-\x7e]*$/, rule("a path that begins with /, without blanks (write them as %20)"));

const headerText = z.string(rule("a text")).regex(/^[\x20-\x7e\t]*$/, rule("one line of plain ASCII text"));

const headerName = z.string().regex(/^[\w!#$%&'*+.^`|~-]+$/, rule("a header name"));

/** One HTTP request sent before the snapshot is made. */
export const warmupSchema = z.strictObject(
  {
    method: z
      .string(rule("an HTTP method such as GET"))
      .regex(/^[A-Z]{1,16}$/, rule("an HTTP method in capitals, such as GET"))
      .default("GET")
      .describe("HTTP method, in capitals."),
    path: httpPath.describe("Path of the request, with its query."),
    headers: z
      .record(headerName, headerText, rule("a mapping of header names to texts"))
      .default({})
      .describe("Headers of the request. Never printed."),
    body: z.string(rule("a text")).optional().describe("Body of the request. Never printed."),
    compare: oneOf(["answer", "status"])
      .default("answer")
      .describe(
        "What a copy restored from the fresh snapshot must answer as the function did before it: the whole `answer` (status, headers except Date, body), or only its `status`, where answers change from request to request.",
      ),
    ignore_headers: z
      .array(headerName, rule("a list of header names"))
      .default([])
      .describe("Headers of the answer that may differ, such as a request id.")
      .meta({ examples: [["X-Request-Id"]] }),
  },
  rule("a request: a mapping with path, and optionally method, headers, body, compare, ignore_headers"),
);

const wholeNumber = (least: number, most: number) => {
  const what = rule(`a whole number from ${least} to ${most}`);
  return z
    .number(what)
    .refine((value) => Number.isInteger(value) && value >= least && value <= most, what)
    .meta({ type: "integer", minimum: least, maximum: most });
};

/** When an idle function goes to sleep. */
export const idleSchema = z.strictObject(
  {
    suspend_after: durationOrNever
      .optional()
      .meta({ default: "30s" })
      .describe(
        "No open connection for so long: the function is frozen in memory. `never` skips this tier. Where only `snapshot_after` is given and is shorter than 30s, it counts here too.",
      ),
    snapshot_after: durationOrNever
      .optional()
      .meta({ default: "5m" })
      .describe(
        "No open connection for so long: the function becomes a snapshot and its memory is freed. Not shorter than `suspend_after`; where only that is given and is longer than 5m, it counts here too.",
      ),
    ignore_open: flag
      .default(false)
      .describe(
        "Whether the function may sleep although idle connections are open; before a snapshot they are closed.",
      ),
    reclaim: flag
      .default(false)
      .describe(
        "Whether a suspended function's memory is handed back to the machine: written to swap or zram, and read back as it is touched again. Needs active swap.",
      ),
  },
  rule("a mapping with suspend_after, snapshot_after, ignore_open, reclaim"),
);

/** XDP programs on interfaces. */
export const dataPlaneSchema = z.strictObject(
  {
    interfaces: z
      .array(
        z
          .string(rule("the name of a network interface"))
          .regex(/^(?!\.{1,2}$)[^\s/:\0]{1,15}$/, rule("the name of a network interface")),
        rule("a list of network interfaces"),
      )
      .min(1, rule("a list of at least one network interface"))
      .describe(
        "Interfaces whose packets are counted and routed; `lo` is where clients on this machine come in.",
      )
      .meta({ examples: [["lo"]] }),
    mode: oneOf(["auto", "native", "generic"])
      .default("auto")
      .describe(
        "Where the program runs: `native` in the driver, `generic` after it, or `auto`: native where the driver can.",
      ),
    required: flag
      .default(true)
      .describe(
        "Whether the engine refuses to start when a program cannot be attached; otherwise it says so and goes on without a data plane.",
      ),
  },
  rule("off, or a mapping with interfaces, mode, required"),
);

/** A text; the reader of the file has already turned plain numbers and true/false back into what was written. */
const textAsWritten = z
  .string(rule("a text"))
  .refine((value) => !value.includes("\0"), rule("a text without NUL"))
  .meta({ type: ["string", "number", "boolean"] });

const command = z
  .union(
    [
      z.string().refine((value) => !value.includes("\0"), rule("a text without NUL")),
      z.array(textAsWritten, rule("a list of words")),
    ],
    rule("a list of words, or one line that is split without a shell"),
  )
  .describe(
    "The program and its arguments: a list, or one line split without a shell (quotes and backslashes work, nothing is expanded). The program is found through PATH; with a slash it is relative to `cwd`.",
  )
  .meta({ title: "text or list of texts", examples: ["python3 handler.py", ["node", "handler.mjs"]] });

const ready = z.union(
  [
    z.literal("handshake"),
    z.literal("port"),
    z.strictObject({ http: httpPath.describe("Path that answers 2xx once the function is ready.") }),
  ],
  rule("handshake, port, or {http: /path}"),
);

const env = z
  .record(
    // The prefix is reserved as a whole, so that a later Aether can set more.
    z.string().regex(/^(?!AETHER_)[^=\0]+$/, {
      error: () => "must not contain = or begin with AETHER_, which is reserved for Aether",
    }),
    textAsWritten,
    rule("a mapping of names to texts"),
  )
  .default({})
  .describe(
    "Environment variables of the function. Plain numbers and true/false are taken as written. Values are never printed. Names that begin with AETHER_ are set by Aether.",
  )
  .meta({ examples: [{ LOG_LEVEL: "debug" }] });

/** One callable, instead of a program. */
export const handlerSchema = z.strictObject(
  {
    runtime: oneOf(["python", "node"]).describe("What runs it: `python3` or `node`, as found through PATH."),
    entry: z
      .string(rule("a file and a function, such as app.handle"))
      .regex(/^[A-Za-z_][\w./-]*\.[A-Za-z_]\w*$/, rule("a file and a function in it, such as app.handle"))
      .describe(
        "File, without its ending, and function in it, relative to `cwd`: `app.handle` is `handle` of app.py, or of app.mjs, app.js or app.cjs.",
      ),
    timeout: duration.prefault("30s").describe("Limit on one event; HTTP clients get a 504 after it."),
    body_limit: size.prefault("6MiB").describe("Longest body of a request; longer ones get a 413."),
    concurrency: z
      .number(rule("a whole number from 1 to 1024"))
      .refine(
        (value) => Number.isInteger(value) && value >= 1 && value <= 1_024,
        rule("a whole number from 1 to 1024"),
      )
      .meta({ type: "integer", minimum: 1, maximum: 1_024 })
      .default(1)
      .describe("Events that the handler works on at once; the others wait."),
  },
  rule("a mapping with runtime and entry"),
);

/** One entry of `functions`. */
export const functionSchema = z.strictObject(
  {
    id: identifier(maxFunctionIdLength)
      .describe("Name of the function, unique in the file.")
      .meta({ examples: ["hello"] }),
    command: command.optional(),
    handler: handlerSchema
      .optional()
      .describe(
        "Instead of `command`: one function that takes an event and a context and returns a result. Aether brings the program around it, which serves the trigger port and `aether invoke`.",
      )
      .meta({ examples: [{ runtime: "python", entry: "app.handle" }] }),
    ring: flag
      .default(false)
      .describe(
        "Give the function control page and rings, for handlers that use an SDK. Functions with `handler` always have them.",
      ),
    cwd: text("a folder")
      .optional()
      .describe("Working folder, relative to the file. Default: the file's folder.")
      .meta({ examples: ["./hello"] }),
    trigger_port: port
      .optional()
      .describe("Port where clients connect and wake the function. The function itself must listen on it.")
      .meta({ examples: [8080] }),
    protocol: oneOf(["tcp", "udp"])
      .default("tcp")
      .describe(
        "What clients of the trigger port speak. A sleeping `udp` function is woken by a datagram; the first ones are kept for it.",
      ),
    ready: ready
      .default("handshake")
      .describe(
        "How the function says that it can serve: `handshake` (it sends READY over the socket named by AETHER_SOCKET), `port` (it listens on the trigger port; for unmodified servers), or `{http: /path}` (that path answers 2xx).",
      )
      .meta({ examples: ["port", { http: "/healthz" }] }),
    ready_timeout: duration
      .prefault("10s")
      .describe("How long a start may take until the function is ready."),
    env,
    memory_limit: size
      .optional()
      .describe(
        "Most memory the function may use, at least 8MiB and at most the machine's. Default: no limit.",
      )
      .meta({ examples: ["128MiB"] }),
    user: z
      .union(
        [text("a user"), z.number().meta({ type: "integer", minimum: 0 })],
        rule("a user: name, uid, or name:group"),
      )
      .optional()
      .describe("User to run as: `name`, `uid` or `name:group`. Default: the user of the engine.")
      .meta({ examples: ["nobody", "1000", "www-data:www-data"] }),
    privileged: flag
      .default(false)
      .describe(
        "Keep all capabilities and allow gaining privileges. The way out for what the sandbox forbids; views show it.",
      ),
    sleep: oneOf(["keep", "golden"])
      .default("keep")
      .describe(
        "What a sleep keeps: `keep` dumps the memory each time; `golden` (for stateless functions) discards it and always wakes from the first image.",
      ),
    start: oneOf(["snapshot", "running", "lazy"])
      .default("snapshot")
      .describe(
        "What happens when the engine starts: make the `snapshot` and sleep, stay `running`, or `lazy`: not started before the first connection.",
      ),
    idle: idleSchema.prefault({}).describe("When the function goes to sleep."),
    connections: oneOf(["refuse", "close", "keep"])
      .default("refuse")
      .describe(
        "Open connections when a snapshot is made: `refuse` to sleep, `close` them, or `keep` them in the image.",
      ),
    wake_on: oneOf(["connection", "syn", "data"])
      .default("connection")
      .describe(
        "What wakes the function: a completed `connection`, the first `syn` of one (half a round trip earlier; needs `engine.data_plane`), or the first `data` that a client sends (for protocols in which the client speaks first).",
      ),
    max_connections_per_second: z
      .number(rule("a whole number from 1 to 10000"))
      .refine(
        (value) => Number.isInteger(value) && value >= 1 && value <= 10_000,
        rule("a whole number from 1 to 10000"),
      )
      .meta({ type: "integer", minimum: 1, maximum: 10_000 })
      .optional()
      .describe(
        "New connections above this rate are dropped before the kernel sees them; clients try again after a second. Needs `engine.data_plane`. Default: no limit.",
      )
      .meta({ examples: [100] }),
    restore_budget_ms: budgetMs
      .optional()
      .describe("Limit on a restore of this function. Default: that of the engine.")
      .meta({ examples: [25] }),
    on_violation: violation
      .optional()
      .describe("What a late restore does to this function. Default: that of the engine."),
    on_restore_failure: oneOf(["fail", "cold"])
      .default("fail")
      .describe(
        "When a snapshot cannot be restored: `fail` the wake, or start `cold` and lose what was in memory.",
      ),
    image: oneOf(["auto", "mapped", "stock"])
      .default("auto")
      .describe(
        "How memory comes back at a wake: `mapped` (from a file in memory, at any heap size in the same time) or `stock` (read page by page). `auto` maps where the program's runtime and allocator are on the tested list and there is no `memory_limit`, which does not count mapped memory; `aether ps` shows the choice and its reason.",
      ),
    warm_pool: wholeNumber(0, 64)
      .optional()
      .describe(
        "How many wakes are kept prepared for this function while it sleeps: a sandbox with CRIU waiting in it, some megabytes each. Default: one, while the engine's pool has room for it.",
      )
      .meta({ examples: [2] }),
    warmup: z
      .array(warmupSchema, rule("a list of requests"))
      .default([])
      .describe(
        "HTTP requests sent to the function before its snapshot is made: a warmed process wakes faster. A copy restored from the snapshot must answer them as the function did.",
      )
      .meta({ examples: [[{ path: "/" }]] }),
    prove_deploy: flag
      .default(true)
      .describe(
        "Whether a changed function with `warmup` and `start: snapshot` proves itself before it replaces the running version: it is started in a network of its own, warmed, saved and restored, and must answer the same. `false` replaces it at once.",
      ),
    stop_signal: oneOf(stopSignals).default("SIGTERM").describe("Signal that asks the function to stop."),
    stop_timeout: duration
      .prefault("5s")
      .describe("How long the function may take to stop before it is killed."),
  },
  rule("a function: a mapping with at least id, and command or handler"),
);

/** Where metrics are served. */
export const metricsSchema = z.strictObject(
  {
    listen: listenAddress
      .prefault("127.0.0.1:9090")
      .describe(
        "Address and port, as `127.0.0.1:9090` or `[::1]:9090`. Anything beyond loopback is readable for whoever reaches it: there is no password.",
      ),
  },
  rule("a mapping with listen"),
);

/** Settings of the engine. */
export const engineSchema = z.strictObject(
  {
    name: identifier(maxEngineNameLength)
      .default("default")
      .describe("Name of the engine; engines of different names run side by side."),
    snapshot_dir: text("a folder")
      .default("/dev/shm")
      .describe("Folder for snapshots, relative to the file. Memory-backed storage restores fastest."),
    keep_snapshots: flag
      .default(false)
      .describe("Whether snapshots survive `aether down` and are adopted by the next start."),
    restore_budget_ms: budgetMs
      .default(15)
      .describe("Limit on a restore, in milliseconds, enforced for every function that has none of its own."),
    on_violation: violation
      .default("fail")
      .describe(
        "What happens to a restore over its budget: `fail` kills it and resets the waiting clients, `serve` lets it serve late and counts the violation.",
      ),
    log_level: oneOf(logLevels).default("info").describe("Least severe events that are logged."),
    max_parallel_restores: wholeNumber(1, 256)
      .optional()
      .describe("How many restores run at once. Default: the number of processor cores."),
    warm_pool: wholeNumber(0, 10_000)
      .optional()
      .describe(
        "For how many functions a wake is prepared while they sleep; who was woken last keeps its place. Functions with a `warm_pool` of their own come on top. Default: as many as fit in a twentieth of the machine's memory.",
      ),
    breakpoints: oneOf(["hardware", "none"])
      .default("hardware")
      .describe(
        "How CRIU stops the threads of a restored process: with `hardware` breakpoints, or with `none` (CRIU_FAULT=130), which is faster on some virtual machines. `aether doctor` measures both.",
      ),
    memory_budget: size
      .optional()
      .describe(
        "Most memory of all idle and suspended functions together. Above it the least recently used ones become snapshots, suspended ones first; one with `snapshot_after: never` stays. Default: no limit.",
      )
      .meta({ examples: ["2GiB"] }),
    metrics: z
      .union([z.literal("off"), metricsSchema], rule("off, or a mapping with listen"))
      .prefault({})
      .meta({
        examples: [{ listen: "127.0.0.1:9091" }, "off"],
      })
      .describe(
        "Where metrics for Prometheus are served, at `/metrics`; `off` serves none. Default: on 127.0.0.1:9090; a second engine of one machine needs an address of its own.",
      ),
    data_plane: z
      .union([z.literal("off"), dataPlaneSchema], rule("off, or a mapping with interfaces, mode, required"))
      .default("off")
      .describe(
        "XDP programs that count and route packets by port: `off`, or on which interfaces. What it costs: docs/data-plane.md.",
      )
      .meta({ examples: [{ interfaces: ["lo"] }] }),
  },
  rule("a mapping of engine settings"),
);

/** The whole file. */
export const fileSchema = z.strictObject(
  {
    version: z
      .literal(1, rule("1, the version of the format that this Aether reads"))
      .describe("Version of the format: 1."),
    engine: engineSchema.prefault({}).describe("Settings of the engine; every one has a default."),
    functions: z
      .array(functionSchema, rule('a list of functions, each beginning with "- id:"'))
      .describe("The functions, in the order in which views list them."),
  },
  rule("a mapping with version and functions"),
);

export type FunctionInput = z.output<typeof functionSchema>;
export type EngineInput = z.output<typeof engineSchema>;
