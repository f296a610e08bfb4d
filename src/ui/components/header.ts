/** The first two rows: which engine this is and how it is; the views and how many functions are in which state. */
import { homedir } from "node:os";
import { eventLevel } from "../../protocol/events.ts";
import { instanceStates } from "../../protocol/states.ts";
import { fitLine, line, lineWidth, span, spread } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import { formatBytes, formatClock, plural } from "../format/units.ts";
import { truncateStart } from "../format/width.ts";
import { showKey } from "../keys/key-names.ts";
import { shownData, totalMemory } from "../store/select.ts";
import { viewIds } from "../store/types.ts";
import type { ConsoleState, ViewId } from "../store/types.ts";
import { stateLooks } from "../theme/states.ts";
import { bar } from "./sparkline.ts";

const home = homedir();
const shortPath = (path: string): string =>
  home !== "/" && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;

function phaseSpans(state: ConsoleState, width: number): Span[] {
  const { view } = shownData(state);
  const { link } = state.data;
  if (link.type === "lost") return [span(`✗ engine gone since ${formatClock(link.atMs)} `, "bad")];
  if (link.type === "silent") return [span("✗ engine does not answer: figures are old ", "bad")];
  if (view === null) return [span("connecting ", "warn")];
  const { phase, readyCount, hostChanges } = view.engine;
  const total = view.functions.length;
  const badges = [
    ...(state.held === null ? [] : [span("screen held ", "match"), span("  ")]),
    ...(state.ui.readOnly ? [span("read-only  ", "warn")] : []),
  ];
  if (phase === "starting") {
    const progress = bar(readyCount, total, width >= 100 ? 16 : width >= 80 ? 8 : 0);
    return [
      ...badges,
      span(progress.filled, "accent"),
      span(progress.rest, "dim"),
      span(` ${readyCount} of ${total} functions ready `),
    ];
  }
  if (phase === "stopping") return [...badges, span("stopping ", "warn")];
  const changes =
    hostChanges.length === 0 ? [] : [span(`${plural(hostChanges.length, "host change")}  `, "dim")];
  return [...badges, ...changes, span("● running ", "good")];
}

export function headerLine(state: ConsoleState, width: number): Line {
  const { view, engineName, mode, numbersOnly } = shownData(state);
  const right = line(...phaseSpans(state, width));
  const name = [
    span(" aether ", "accent"),
    span(engineName, "strong"),
    span(
      numbersOnly ? "  numbers only" : mode === "attached" ? "  attached" : "  in this process",
      mode === "attached" ? "calm" : "dim",
    ),
  ];
  const room = width - lineWidth(line(...name)) - lineWidth(right) - 3;
  const file = view?.engine.configFile ?? null;
  const path = file === null || room < 12 ? [] : [span(`  ${truncateStart(shortPath(file), room)}`, "dim")];
  return spread(line(...name, ...path), right, width);
}

const tabForms = ["long", "short", "tiny"] as const;
type TabForm = (typeof tabForms)[number];

/** In words, in short words, and for rows without room. */
const viewTitles: Readonly<Record<ViewId, Readonly<Record<TabForm, string>>>> = {
  functions: { long: "Functions", short: "Functions", tiny: "Fns" },
  logs: { long: "Logs", short: "Logs", tiny: "Log" },
  events: { long: "Events", short: "Events", tiny: "Evt" },
  wakes: { long: "Wakes", short: "Wakes", tiny: "Wake" },
  system: { long: "System", short: "Sys", tiny: "Sys" },
  config: { long: "Config", short: "Config", tiny: "Cfg" },
  invocations: { long: "Invocations", short: "Inv", tiny: "Inv" },
  network: { long: "Network", short: "Net", tiny: "Net" },
  packets: { long: "Packets", short: "Pkt", tiny: "Pkt" },
};

/** Something to look at in a view that is not open. */
function badge(state: ConsoleState, view: ViewId): Span[] {
  if (view === "events") {
    const errors = state.data.events.filter(
      (event) => event.seq > state.ui.seenEvent && eventLevel(event) === "error",
    ).length;
    return errors === 0 ? [] : [span(` ✗${errors}`, "bad")];
  }
  const refused = view === "config" && state.data.lastReload?.type === "reload-refused";
  return refused ? [span(" ✗", "bad")] : [];
}

/** The tabs, the open one marked. */
function tabs(state: ConsoleState, form: TabForm): Line {
  const spans = viewIds.flatMap((view) => {
    const active = state.ui.view === view && !state.ui.help;
    const [key] = state.ui.keymap.bindingOf(`view-${view}`).keys;
    return [
      span(active ? "▐" : " ", "accent"),
      ...(key === undefined ? [] : [span(`${showKey(key)} `, active ? "accent" : "key")]),
      span(viewTitles[view][form], active ? "strong" : "dim"),
      ...badge(state, view),
      ...(form === "long" ? [span(" ")] : []),
    ];
  });
  return line(...spans);
}

export function tabsLine(state: ConsoleState, width: number): Line {
  const functions = shownData(state).view?.functions ?? [];
  const counts = instanceStates.toReversed().flatMap((name) => {
    const count = functions.filter((fn) => fn.state === name).length;
    return count === 0 ? [] : [span(`${stateLooks[name].glyph} `, stateLooks[name].role), span(`${count}  `)];
  });
  const memory = functions.reduce((total, fn) => total + (totalMemory(fn) ?? 0), 0);
  const right = line(...counts, span(`${formatBytes(memory)} `, "dim"));
  const forms = tabForms.map((form) => tabs(state, form));
  const room = functions.length === 0 ? width : width - lineWidth(right) - 1;
  // Words that can be read go before the counts.
  const chosen =
    forms.slice(0, 2).find((form) => lineWidth(form) <= room) ??
    forms.find((form) => lineWidth(form) <= width) ??
    forms.at(-1) ??
    line();
  return functions.length === 0 ? fitLine(chosen, width) : spread(chosen, right, width);
}
