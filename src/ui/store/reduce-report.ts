/** The dialog that is read: failures as they come, and moving about in it. */
import { reportContent, reportRows } from "../components/report.ts";
import { appendBounded, clampOffset } from "../format/window.ts";
import type { Move } from "./actions.ts";
import { failureReport, maxFailures } from "./failures.ts";
import type { Failure, Report } from "./failures.ts";
import { withModal } from "./reduce-modal.ts";
import type { ConsoleState } from "./types.ts";

/**
 * Keeps failures and shows them. What is being typed or asked is not covered: its keys would go to the dialog. The header
 * tells then that there are some.
 */
export function withFailures(state: ConsoleState, more: readonly Failure[]): ConsoleState {
  const failures = appendBounded(state.ui.failures, more, maxFailures);
  const kept = { ...state, ui: { ...state.ui, failures } };
  const { modal } = state.ui;
  if (modal === null) return withModal(kept, failureReport(more));
  if (modal.type !== "report" || modal.failures.length === 0) return kept;
  // A burst: one dialog for all of it.
  return withModal(kept, failureReport(appendBounded(modal.failures, more, maxFailures)));
}

/** Opens all that is kept. */
export function showFailures(state: ConsoleState): ConsoleState {
  return state.ui.failures.length === 0 ? state : withModal(state, failureReport(state.ui.failures));
}

/** Scrolls a report. */
export function moveReport(state: ConsoleState, modal: Report, by: Move): ConsoleState {
  const total = reportContent(modal, state.ui.columns).length;
  const height = reportRows(state.ui, total);
  const page: Readonly<Record<Move, number>> = {
    up: -1,
    down: 1,
    "page-up": -height,
    "page-down": height,
    "half-up": -Math.ceil(height / 2),
    "half-down": Math.ceil(height / 2),
    first: -total,
    last: total,
  };
  const offset = clampOffset(modal.offset + page[by], height, total);
  return offset === modal.offset ? state : withModal(state, { ...modal, offset });
}
