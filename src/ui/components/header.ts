/** The first two rows: which engine this is and how it is; the views and how many functions are in which state. */
import { homedir } from "node:os";
import { eventLevel } from "../../protocol/events.ts";
import { instanceStates } from "../../protocol/states.ts";
import { fitLine, line, lineWidth, span, spread } from "../format/line.ts";
import type { Line, Span } from "../format/line.ts";
import { formatBytes, plural } from "../format/units.ts";
import { truncateStart } from "../format/width.ts";
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
  const { view, engineName, mode } = shownData(state);
  const right = line(...phaseSpans(state, width));
  const name = [
    span(" aether ", "accent"),
    span(engineName, "strong"),
    span(mode === "attached" ? "  attached" : "  in this process", mode === "attached" ? "calm" : "dim"),
  ];
  const room = width - lineWidth(line(...name)) - lineWidth(right) - 3;
  const file = view?.engine.configFile ?? null;
  const path = file === null || room < 12 ? [] : [span(`  ${truncateStart(shortPath(file), room)}`, "dim")];
  return spread(line(...name, ...path), right, width);
}

/** Long and short, for rows without room. */
const viewTitles: Readonly<Record<ViewId, readonly [string, string]>> = {
  functions: ["Functions", "Fns"],
  logs: ["Logs", "Log"],
  events: ["Events", "Evt"],
  wakes: ["Wakes", "Wake"],
  system: ["System", "Sys"],
  config: ["Config", "Cfg"],
  invocations: ["Invocations", "Inv"],
  network: ["Network", "Net"],
  packets: ["Packets", "Pkt"],
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

type TabForm = "long" | "short" | "digits";

/** The tabs in words, in short words, or as digits with the word of the open one. */
function tabs(state: ConsoleState, form: TabForm): Line {
  const spans = viewIds.flatMap((view, index) => {
    const active = state.ui.view === view && !state.ui.help;
    const [long, short] = viewTitles[view];
    const title = form === "long" || (form === "digits" && active) ? long : form === "short" ? short : "";
    return [
      span(active ? "▐" : " ", "accent"),
      span(`${index + 1}${title === "" ? "" : " "}`, active ? "accent" : "key"),
      span(title, active ? "strong" : "dim"),
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
  const forms = (["long", "short", "digits"] as const).map((form) => tabs(state, form));
  const room = width - (functions.length === 0 ? 0 : lineWidth(right) + 1);
  // The counts go before the words do.
  const chosen =
    forms.find((form, index) => index < 2 && lineWidth(form) <= room) ??
    forms.find((form) => lineWidth(form) <= width) ??
    line();
  return functions.length === 0 ? fitLine(chosen, width) : spread(chosen, right, width);
}
