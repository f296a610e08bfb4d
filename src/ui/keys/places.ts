/** Where keys hold, as people read it. */
import type { Scope } from "./bindings.ts";

export const places: Readonly<Record<Scope, string>> = {
  global: "everywhere",
  functions: "functions",
  detail: "details",
  logs: "log",
  "all-logs": "all logs",
  events: "events",
  wakes: "wakes",
  invocations: "invocations",
  packets: "packets",
  lines: "choosing lines",
  help: "help",
  dialog: "question",
  report: "dialog",
  form: "invocation",
  palette: "palette",
  input: "typing",
};
