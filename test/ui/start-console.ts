import type { ConsoleOptions, ConsoleOutcome } from "../../src/ui/console.tsx";
import { runConsole } from "../../src/ui/console.tsx";
import { createFakeEngine } from "../helpers/fake-engine.ts";
import type { FakeEngine, FakeOptions } from "../helpers/fake-engine.ts";
import { createScreen, keys } from "../helpers/screen.ts";
import type { Screen } from "../helpers/screen.ts";

export interface Running extends AsyncDisposable {
  readonly screen: Screen;
  readonly engine: FakeEngine;
  readonly outcome: Promise<ConsoleOutcome>;
}

/** A console on a terminal of its own; leaving the scope ends it. */
export function startConsole(
  columns: number,
  rows: number,
  fake: FakeOptions = {},
  options: ConsoleOptions = {},
): Running {
  const screen = createScreen(columns, rows);
  const engine = createFakeEngine(fake);
  const outcome = runConsole(engine, { stdout: screen.stdout, stdin: screen.stdin, ...options });
  return {
    screen,
    engine,
    outcome,
    [Symbol.asyncDispose]: async () => {
      await screen.press(keys.ctrlC, keys.ctrlC);
      await outcome;
    },
  };
}
