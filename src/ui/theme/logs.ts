/** How lines of logs look: a glyph for each level and stream beside its colour, a colour for each source beside its name. */
import type { LogLine } from "../../protocol/control.ts";
import type { LogLevel } from "../format/json-line.ts";
import { sourceRoles } from "../format/line.ts";
import type { Role } from "../format/line.ts";
import { shownData } from "../store/select.ts";
import type { ConsoleState } from "../store/types.ts";

interface LevelLook {
  readonly glyph: string;
  readonly role: Role;
  readonly textRole: Role;
}

/** The word is in the line itself: it is what the level was read from. */
export const levelLooks: Readonly<Record<LogLevel, LevelLook>> = {
  error: { glyph: "✗", role: "bad", textRole: "bad" },
  warn: { glyph: "!", role: "warn", textRole: "warn" },
  info: { glyph: " ", role: "text", textRole: "text" },
  debug: { glyph: "·", role: "dim", textRole: "dim" },
  none: { glyph: " ", role: "text", textRole: "text" },
};

/** A thin stroke for stdout, a thick one for stderr, a double one for what the engine itself adds. */
export const streamLooks: Readonly<
  Record<LogLine["stream"], { readonly glyph: string; readonly role: Role }>
> = {
  stdout: { glyph: "│", role: "dim" },
  stderr: { glyph: "┃", role: "warn" },
  engine: { glyph: "║", role: "accent" },
};

/** By place in the configuration, so that neighbours differ and nothing changes while lines come. */
export function sourceRole(state: ConsoleState, functionId: string): Role {
  const functions = shownData(state).view?.functions ?? [];
  const index = Math.max(
    0,
    functions.findIndex((fn) => fn.id === functionId),
  );
  return sourceRoles[index % sourceRoles.length] ?? "calm";
}
