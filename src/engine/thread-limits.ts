/**
 * Memory of the engine's threads. V8 lets the space for young objects grow to 48 MiB in each thread, and keeps it: for the few
 * objects of a wake that is memory for nothing. With less it collects more often and more briefly. Measured with 300 sleeping
 * functions: 246 MiB resident without the limit, 170 with it.
 */
export const threadLimits = { maxYoungGenerationSizeMb: 6 } as const;
