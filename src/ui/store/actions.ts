/** Everything that can happen to the state of a console. */
import type { ConsoleMessage } from "../../client/connection.ts";
import type { LinkState } from "../../client/link.ts";
import type { FunctionAction } from "../../protocol/control.ts";
import type { ErrorData } from "../../protocol/errors.ts";
import type { KeyPress } from "../keys/key-names.ts";
import type { ThemeName } from "../theme/themes.ts";
import type { Failure } from "./failures.ts";
import type { InvokeForm } from "./invoke-form.ts";
import type { InputTarget, Modal, PaneId, Toast, ViewId } from "./types.ts";

export type Move = "up" | "down" | "page-up" | "page-down" | "half-up" | "half-down" | "first" | "last";

/** What happens to a log that has the focus, or to how logs are shown. */
export type LogChange =
  | { readonly to: "choose" | "chosen" | "mark" | "clear" | "show-cleared" }
  | { readonly to: "regex" | "exact-case" | "raw" }
  | { readonly to: "mark-seek"; readonly direction: 1 | -1 }
  | { readonly to: "only"; readonly functionIds: readonly string[] | null };

export type Action =
  | { readonly type: "received"; readonly messages: readonly ConsoleMessage[] }
  | { readonly type: "link"; readonly link: LinkState }
  | { readonly type: "resize"; readonly columns: number; readonly rows: number }
  | { readonly type: "move"; readonly move: Move }
  | { readonly type: "view"; readonly view: ViewId }
  | { readonly type: "pane"; readonly pane: PaneId }
  | { readonly type: "focus" }
  | { readonly type: "zoom" }
  | { readonly type: "help" }
  | { readonly type: "back" }
  | { readonly type: "sort"; readonly by: 1 | -1 }
  | { readonly type: "expand"; readonly open: boolean }
  | { readonly type: "only-selected" }
  | { readonly type: "go-to-function" }
  /** One function by its name, in the table: whatever is marked, a command after this hits it alone. */
  | { readonly type: "select"; readonly functionId: string }
  | { readonly type: "reverse" }
  | { readonly type: "follow" }
  | { readonly type: "wrap" }
  | { readonly type: "times" }
  | { readonly type: "match"; readonly direction: 1 | -1 }
  | { readonly type: "log"; readonly change: LogChange }
  | { readonly type: "hold" }
  | { readonly type: "theme"; readonly theme: ThemeName }
  | { readonly type: "open-input"; readonly target: InputTarget }
  | { readonly type: "open-palette" }
  | { readonly type: "ask"; readonly modal: Exclude<Modal, { type: "palette" | "input" }> }
  | { readonly type: "type"; readonly press: KeyPress }
  | { readonly type: "paste"; readonly text: string }
  | { readonly type: "palette-move"; readonly by: 1 | -1 }
  | { readonly type: "dialog-move" }
  | { readonly type: "accept" }
  | { readonly type: "close-modal" }
  /** Marks the selected row, or takes its mark off; all rows in sight of the filter, or none. */
  | { readonly type: "mark" }
  | { readonly type: "mark-all" }
  | { readonly type: "unmark" }
  /** The form as it is now, and as it was sent. */
  | { readonly type: "form"; readonly form: InvokeForm }
  | { readonly type: "form-move"; readonly by: 1 | -1 }
  | { readonly type: "drafted"; readonly form: InvokeForm }
  | { readonly type: "failed"; readonly failures: readonly Failure[] }
  | { readonly type: "show-failures" }
  | { readonly type: "asked"; readonly functionId: string; readonly action: FunctionAction }
  | { readonly type: "answered"; readonly functionId: string; readonly action: FunctionAction }
  | {
      readonly type: "toast";
      readonly id: number;
      readonly level: Toast["level"];
      readonly text: string;
      readonly error: ErrorData | null;
    }
  | { readonly type: "expire"; readonly id: number };
