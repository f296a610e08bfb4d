/**
 * Aether for handlers in Node: serving events, taking part in sleep and wake, and random values that no clone repeats.
 * Import it before anything that draws random values: what was kept earlier (`const { random } = Math`) is not watched.
 */
import { install } from "./reseed.js";

export { context } from "./context.js";
export { TimeLimit } from "./handler.js";
export { afterRestore, beforeSnapshot } from "./hooks.js";
export { RingError } from "./ring.js";
export { ready, serve } from "./serve.js";

install();
