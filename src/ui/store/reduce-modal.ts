/** Dialogs, the palette, and what is being typed. */
import { assertNever } from "../../protocol/errors.ts";
import { editText, emptyInput, inputOf, insertText } from "../components/text-input.ts";
import { clampIndex } from "../format/window.ts";
import { focusedLog, goToMatch, withFeed } from "./reduce-feed.ts";
import { pasteInForm, typeInForm } from "./invoke-form.ts";
import { paletteEntries } from "./palette.ts";
import type { ConsoleState, InputTarget, Modal, TextInput } from "./types.ts";

export function withModal(state: ConsoleState, modal: Modal | null): ConsoleState {
  return { ...state, ui: { ...state.ui, modal } };
}

function withFilter(state: ConsoleState, filter: string): ConsoleState {
  return { ...state, ui: { ...state.ui, table: { ...state.ui.table, filter } } };
}

/** What is typed into at the moment: the text it has now. */
function textOf(state: ConsoleState, target: InputTarget): string | null {
  switch (target) {
    case "filter":
      return state.ui.table.filter;
    case "event-filter":
      return state.ui.eventFilter;
    case "search": {
      const area = focusedLog(state);
      return area === null ? null : state.ui.feeds[area].search;
    }
    default:
      return assertNever(target);
  }
}

export function openInput(state: ConsoleState, target: InputTarget): ConsoleState {
  const before = textOf(state, target);
  if (before === null) return state;
  return withModal(state, { type: "input", target, before, input: inputOf(before) });
}

/** What is typed takes effect at once: rows are filtered, matches are marked. */
function applyTyped(state: ConsoleState, target: InputTarget, text: string): ConsoleState {
  if (target === "filter") return withFilter(state, text);
  if (target === "event-filter") return { ...state, ui: { ...state.ui, eventFilter: text } };
  const area = focusedLog(state);
  return area === null
    ? state
    : withFeed(state, area, { ...state.ui.feeds[area], search: text, match: null });
}

function withInput(state: ConsoleState, input: TextInput): ConsoleState {
  const { modal } = state.ui;
  if (modal?.type === "palette") return withModal(state, { ...modal, input, selected: 0 });
  if (modal?.type !== "input") return state;
  return applyTyped(withModal(state, { ...modal, input }), modal.target, input.text);
}

export function typeKey(state: ConsoleState, press: Parameters<typeof editText>[1]): ConsoleState {
  const { modal } = state.ui;
  if (modal?.type === "invoke") return withModal(state, typeInForm(modal, press));
  if (modal?.type !== "palette" && modal?.type !== "input") return state;
  // As in vi and less: rubbing out what is empty leaves.
  if (press.name === "backspace" && modal.input.text === "") return cancelInput(state);
  return withInput(state, editText(modal.input, press));
}

export function pasteText(state: ConsoleState, text: string): ConsoleState {
  const { modal } = state.ui;
  if (modal?.type === "invoke") return withModal(state, pasteInForm(modal, text));
  if (modal?.type !== "palette" && modal?.type !== "input") return state;
  return withInput(state, insertText(modal.input, text));
}

/** Closes whatever is open; a filter or search goes back to what it was. */
export function cancelInput(state: ConsoleState): ConsoleState {
  const { modal } = state.ui;
  const closed = withModal(state, null);
  return modal?.type === "input" ? applyTyped(closed, modal.target, modal.before) : closed;
}

/** Keeps the filter or search that was typed. */
export function acceptInput(state: ConsoleState): ConsoleState {
  const { modal } = state.ui;
  const closed = withModal(state, null);
  if (modal?.type !== "input" || modal.target !== "search") return closed;
  const area = focusedLog(closed);
  return area === null ? closed : goToMatch(closed, area, -1);
}

export function openPalette(state: ConsoleState): ConsoleState {
  return withModal(state, { type: "palette", input: emptyInput, selected: 0 });
}

export function movePalette(state: ConsoleState, by: 1 | -1): ConsoleState {
  const { modal } = state.ui;
  if (modal?.type !== "palette") return state;
  const total = paletteEntries(state, modal.input.text).length;
  return withModal(state, { ...modal, selected: clampIndex(modal.selected + by, total) });
}

export function moveDialog(state: ConsoleState): ConsoleState {
  const { modal } = state.ui;
  return modal?.type === "confirm"
    ? withModal(state, { ...modal, chosen: modal.chosen === "yes" ? "no" : "yes" })
    : state;
}
