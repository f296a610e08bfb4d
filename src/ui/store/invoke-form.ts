/** The form of an invocation: a request for a server, an event for a handler. Bound to the function it was opened for. */
import type { InvokeOrder } from "../../protocol/invocations.ts";
import type { FunctionView } from "../../protocol/views.ts";
import { editText, insertLines, insertText, inputOf } from "../components/text-input.ts";
import type { KeyPress } from "../keys/key-names.ts";
import type { Modal, TextInput } from "./types.ts";

export type InvokeForm = Extract<Modal, { type: "invoke" }>;

export const invokeFields = ["method", "path", "headers", "body"] as const;
export type InvokeField = (typeof invokeFields)[number];

/** What one was sent last, by function: the form begins with it. */
export type InvokeDrafts = ReadonlyMap<string, InvokeForm>;

/** The fields that a form has. */
export function fieldsOf({ kind }: Pick<InvokeForm, "kind">): readonly InvokeField[] {
  return kind === "request" ? invokeFields : ["body"];
}

export function newForm(fn: FunctionView): InvokeForm {
  const kind = fn.config.handler !== null || fn.config.ring ? "event" : "request";
  return {
    type: "invoke",
    functionId: fn.id,
    kind,
    field: kind === "request" ? "path" : "body",
    inputs: {
      method: inputOf("GET"),
      path: inputOf("/"),
      headers: inputOf(""),
      body: inputOf(kind === "event" ? "{}" : ""),
    },
    problem: null,
  };
}

export function moveField(form: InvokeForm, by: 1 | -1): InvokeForm {
  const fields = fieldsOf(form);
  const index = (fields.indexOf(form.field) + by + fields.length) % fields.length;
  return { ...form, field: fields[index] ?? form.field };
}

export function withField(form: InvokeForm, field: InvokeField, input: TextInput): InvokeForm {
  return { ...form, problem: null, inputs: { ...form.inputs, [field]: input } };
}

export function typeInForm(form: InvokeForm, press: KeyPress): InvokeForm {
  return withField(form, form.field, editText(form.inputs[form.field], press, maxFieldLength));
}

/** A body keeps its lines. */
export function pasteInForm(form: InvokeForm, text: string): InvokeForm {
  const insert = form.field === "body" ? insertLines : insertText;
  return withField(form, form.field, insert(form.inputs[form.field], text, maxFieldLength));
}

/** Longer bodies are written in an editor. */
const maxFieldLength = 64 * 1024;

/** What is sent, or what is wrong with the form, and in which field. */
export function orderOf(
  form: InvokeForm,
): { readonly order: InvokeOrder } | { readonly field: InvokeField; readonly problem: string } {
  const text = (field: InvokeField): string => form.inputs[field].text;
  const body = text("body");
  const isJson = isJsonText(body);
  const common = { event: Buffer.from(body), timeoutMs: null } as const;
  if (form.kind === "event")
    return { order: { ...common, encoding: isJson ? "json" : "raw", method: null, path: "/", headers: {} } };
  const method = text("method").trim().toUpperCase();
  if (!/^[A-Z]{1,16}$/.test(method))
    return { field: "method", problem: "a method is a word, as GET or POST" };
  const path = text("path").trim();
  if (!/^\/[\x21-\x7e]*$/.test(path))
    return { field: "path", problem: "a path begins with / and has no blanks; %20 stands for one" };
  const headers: Record<string, string> = {};
  for (const line of text("headers")
    .split(";")
    .filter((each) => each.trim() !== "")) {
    const [, name, value] = /^\s*([!#$%&'*+.^_`|~\w-]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      return { field: "headers", problem: "headers are written as NAME: VALUE; NAME: VALUE" };
    headers[name] = value;
  }
  return { order: { ...common, encoding: isJson ? "json" : "raw", method, path, headers } };
}

function isJsonText(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return text === "";
  }
}
