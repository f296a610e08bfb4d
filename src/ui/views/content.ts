/** The whole content of the areas that scroll by lines. */
import { assertNever } from "../../protocol/errors.ts";
import type { Line } from "../format/line.ts";
import type { ConsoleState, ScrollArea } from "../store/types.ts";
import { configLines } from "./config.ts";
import { detailLines } from "./detail.ts";
import { helpLines } from "./help.ts";
import { networkLines } from "./network.ts";
import { systemLines } from "./system.ts";

export function contentLines(state: ConsoleState, area: ScrollArea, width: number): readonly Line[] {
  switch (area) {
    case "detail":
      return detailLines(state, width);
    case "system":
      return systemLines(state, width);
    case "config":
      return configLines(state, width);
    case "network":
      return networkLines(state, width);
    case "help":
      return helpLines(state.ui.keymap, width);
    default:
      return assertNever(area);
  }
}
