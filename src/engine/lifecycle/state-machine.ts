/** The state of one function, changed only along the table; every step is reported with its duration. */
import { AetherError } from "../../protocol/errors.ts";
import type { EventBody } from "../../protocol/events.ts";
import { isLegalTransition, legalTransitions } from "../../protocol/states.ts";
import type { Activity, InstanceState } from "../../protocol/states.ts";

export interface StateMachineOptions {
  readonly functionId: string;
  /** Wall clock, ms. */
  readonly now: () => number;
  readonly emit: (event: EventBody) => void;
  readonly onChange: () => void;
}

export class StateMachine {
  readonly #options: StateMachineOptions;
  #state: InstanceState = "Uninitialized";
  #activity: Activity = null;
  #sinceMs: number;

  constructor(options: StateMachineOptions) {
    this.#options = options;
    this.#sinceMs = options.now();
  }

  get state(): InstanceState {
    return this.#state;
  }

  get activity(): Activity {
    return this.#activity;
  }

  get sinceMs(): number {
    return this.#sinceMs;
  }

  /** @throws AetherError AE_INVALID_STATE_TRANSITION when the table does not allow the step from here */
  assertLegal(to: InstanceState): void {
    const from = this.#state;
    if (isLegalTransition(from, to)) return;
    const { functionId } = this.#options;
    throw new AetherError("AE_INVALID_STATE_TRANSITION", `${functionId}: ${from} -> ${to} is no step`, {
      why: `from ${from} a function goes to ${legalTransitions[from].join(" or ")}`,
      hint: "`aether ps` shows the state; docs/lifecycle.md shows the steps.",
      data: { function: functionId, from, to },
    });
  }

  /** Takes a step of the table. */
  step(
    to: InstanceState,
    detail: { readonly instance: string; readonly durationMs: number; readonly cause: string },
  ): void {
    this.assertLegal(to);
    const from = this.#state;
    this.#state = to;
    this.#sinceMs = this.#options.now();
    this.#options.emit({ type: "transition", functionId: this.#options.functionId, from, to, ...detail });
    this.#options.onChange();
  }

  /** The instance is gone: no step of the table. What remains is an image or nothing. */
  instanceGone(hasImage: boolean): void {
    this.#state = hasImage ? "WarmSnapshot" : "Uninitialized";
    this.#sinceMs = this.#options.now();
    this.#options.onChange();
  }

  setActivity(activity: Activity): void {
    if (this.#activity === activity) return;
    this.#activity = activity;
    this.#options.onChange();
  }
}
