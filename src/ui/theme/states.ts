/** How states look: a glyph, a word and a role each, so that any one of them alone tells it. */
import type { Activity, InstanceState } from "../../protocol/states.ts";
import type { Role } from "../format/line.ts";

interface Look {
  readonly glyph: string;
  readonly role: Role;
}

/** The fuller the moon, the more awake; all of width one in every terminal. */
export const stateLooks: Readonly<Record<InstanceState, Look>> = {
  Running: { glyph: "●", role: "good" },
  Suspended: { glyph: "◐", role: "accent" },
  WarmSnapshot: { glyph: "○", role: "calm" },
  Uninitialized: { glyph: "·", role: "dim" },
};

export const activityLooks: Readonly<Record<NonNullable<Activity>, Look>> = {
  starting: { glyph: "▸", role: "warn" },
  dumping: { glyph: "▾", role: "warn" },
  restoring: { glyph: "▴", role: "warn" },
  stopping: { glyph: "▪", role: "warn" },
  backoff: { glyph: "!", role: "bad" },
};
