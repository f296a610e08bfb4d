/** What commands need of the world around the console. */
import type { ConsoleConnection } from "../../client/connection.ts";
import type { Store } from "../store/store.ts";
import type { ThemeName } from "../theme/themes.ts";

export type ExitReason = "quit" | "detach" | "engine-gone" | "signal";

export interface Host {
  readonly store: Store;
  readonly connection: ConsoleConnection;
  /** Ends the console. */
  readonly leave: (reason: ExitReason, error?: Error) => void;
  /** Gives the terminal to the shell until the user comes back. */
  readonly toShell: () => Promise<void>;
  /** Gives the terminal to another program for as long as the work takes. Rejects as the work does. */
  readonly lend: (work: () => Promise<void>) => Promise<void>;
  /** Writes a control sequence that moves nothing on the screen. */
  readonly writeSequence: (sequence: string) => void;
  /** Keeps the theme that was chosen for the next console. May throw. */
  readonly remember: (theme: ThemeName) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
}
