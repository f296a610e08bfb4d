/** What is copied of wakes, invocations and events: JSON, as the commands of the same names print it. */
import { plural } from "../format/units.ts";
import { shownEvents } from "../views/events.ts";
import { listedInvocations, listedWakes, selectedIndex } from "./lists.ts";
import type { ConsoleState } from "./types.ts";

export interface RecordsCopy {
  readonly count: number;
  readonly name: string;
  readonly text: string;
}

/** The selected record of a list; of events, which have no selection, all that the filter lets through, a line each. */
export function copyOfRecords(state: ConsoleState): RecordsCopy {
  if (state.ui.view === "events") {
    const events = shownEvents(state);
    const text = events.map((event) => JSON.stringify(event)).join("\n");
    return { count: events.length, name: plural(events.length, "event"), text };
  }
  const isWakes = state.ui.view === "wakes";
  const records = isWakes ? listedWakes(state) : listedInvocations(state);
  const record = records[selectedIndex(state, isWakes ? "wakes" : "invocations")];
  return {
    count: record === undefined ? 0 : 1,
    name: isWakes ? "wake" : "invocation",
    text: JSON.stringify(record ?? null, null, 2),
  };
}
