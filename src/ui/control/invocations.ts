/** Invocations of the console: sent from the form, waited for in a dialog whose closing gives them up, answered in one that is read. */
import type { InvokeResponse } from "../../protocol/invocations.ts";
import { toAetherError } from "../../protocol/errors.ts";
import { sanitize, sanitizeDeep } from "../format/sanitize.ts";
import { formatBytes, formatMs } from "../format/units.ts";
import type { Report } from "../store/failures.ts";
import type { InvokeForm } from "../store/invoke-form.ts";
import { orderOf } from "../store/invoke-form.ts";
import type { Paragraph } from "../store/types.ts";
import type { Host } from "./host.ts";
import type { Toaster } from "./toasts.ts";

/** More of a body is not for reading on a screen; copying takes all of it. */
const maxShownLines = 2_000;
const maxPrettyChars = 256 * 1024;

export interface ConsoleInvocations extends Disposable {
  /** Sends what the form says, or says what is wrong with it. */
  readonly send: (form: InvokeForm) => void;
  /** Gives up the one whose dialog is open. */
  readonly giveUp: () => void;
}

export function createInvocations({ store, connection }: Host, toaster: Toaster): ConsoleInvocations {
  let current: { readonly abort: AbortController; readonly waiting: Report } | null = null;

  const send = async (form: InvokeForm): Promise<void> => {
    const checked = orderOf(form);
    if ("problem" in checked) {
      store.dispatch({ type: "form", form: { ...form, field: checked.field, problem: checked.problem } });
      return;
    }
    const { functionId } = form;
    const abort = new AbortController();
    current?.abort.abort();
    const waiting = waitingReport(form);
    current = { abort, waiting };
    store.dispatch({ type: "drafted", form });
    store.dispatch({ type: "ask", modal: waiting });
    /** Only while its dialog is open: what was opened instead keeps its keys. */
    const isShown = (): boolean => store.getState().ui.modal === waiting;
    try {
      const response = await connection.invoke(functionId, checked.order, abort.signal);
      if (isShown()) store.dispatch({ type: "ask", modal: answerReport(form, response) });
      else toaster.say("good", `${functionId} answered in ${formatMs(response.durationMs)}`);
    } catch (error) {
      if (abort.signal.aborted) {
        toaster.say("info", `invocation of ${functionId} given up`);
        return;
      }
      if (isShown()) store.dispatch({ type: "close-modal" });
      const failure = toAetherError(error, `the invocation of ${functionId} failed`);
      store.dispatch({
        type: "failed",
        failures: [{ what: `invoke ${functionId}`, error: sanitizeDeep(failure.toJSON()) }],
      });
    } finally {
      if (current?.abort === abort) current = null;
    }
  };

  return {
    send: (form) => void send(form),
    giveUp: () => {
      if (current !== null && store.getState().ui.modal === current.waiting) current.abort.abort();
    },
    [Symbol.dispose]: () => current?.abort.abort(),
  };
}

const titleOf = ({ kind, functionId, inputs }: InvokeForm): string =>
  kind === "event"
    ? `${functionId}: event`
    : `${functionId}: ${sanitize(inputs.method.text.toUpperCase())} ${sanitize(inputs.path.text)}`;

function waitingReport(form: InvokeForm): Report {
  return {
    type: "report",
    failures: [],
    title: titleOf(form),
    level: "good",
    paragraphs: [{ text: "waiting for its answer …", role: "warn", lead: "" }],
    copy: "",
    copyName: "nothing",
    offset: 0,
  };
}

/** The answer, safe to draw; what is copied is the body as it came. */
export function answerReport(form: InvokeForm, response: InvokeResponse): Report {
  const { http, tier, wakeMs, durationMs, encoding, result, via } = response;
  const bytes = encoding === "text" ? Buffer.byteLength(result) : Buffer.from(result, "base64").length;
  const woken = tier === null ? "it was awake" : `woken from ${tier} in ${formatMs(wakeMs)}`;
  const isBad = http !== null && http.status >= 400;
  const facts = [
    ...(http === null ? [] : [`status ${http.status}`]),
    formatMs(durationMs),
    woken,
    formatBytes(bytes),
    `over ${via === "ring" ? "shared memory" : "its port"}`,
  ].join(", ");
  const plain = (text: string, role: Paragraph["role"]): Paragraph => ({
    text: sanitize(text),
    role,
    lead: "",
    verbatim: true,
  });
  const lines = encoding === "text" ? pretty(result).split(/\r?\n/) : [];
  return {
    type: "report",
    failures: [],
    title: titleOf(form),
    level: isBad ? "bad" : "good",
    paragraphs: [
      { text: facts, role: isBad ? "bad" : "good", lead: isBad ? "✗ " : "✓ " },
      ...Object.entries(http?.headers ?? {}).map(([name, value]) => plain(`${name}: ${value}`, "dim")),
      { text: "", role: "text", lead: "" },
      ...(encoding === "base64"
        ? [plain("The body is bytes, no text; copying takes it as base64.", "dim")]
        : lines.slice(0, maxShownLines).map((text) => plain(text, "text"))),
      ...(lines.length > maxShownLines ? [plain(`… ${lines.length - maxShownLines} lines more`, "dim")] : []),
    ],
    copy: result,
    copyName: "the body",
    offset: 0,
  };
}

/** JSON on several lines; anything else as it is. */
function pretty(text: string): string {
  if (text.length > maxPrettyChars) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
}
