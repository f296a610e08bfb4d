/** One entry of `functions`. Its fields stand in the files beside, in the order in which the reference lists them. */
import { z } from "zod";
import { rule } from "../fields.ts";
import { programFields } from "./program.ts";
import { restoreFields } from "./restore.ts";
import { servingFields } from "./serving.ts";
import { sleepFields } from "./sleep.ts";
import { stopFields } from "./stop.ts";
import { surroundingsFields } from "./surroundings.ts";

/** A function, whole. */
export const functionSchema = z.strictObject(
  {
    ...programFields,
    ...servingFields,
    ...surroundingsFields,
    ...sleepFields,
    ...restoreFields,
    ...stopFields,
  },
  rule("a function: a mapping with at least id, and command or handler"),
);

/** A function as zod hands it on: durations in ms, sizes in bytes, defaults filled in. */
export type FunctionInput = z.output<typeof functionSchema>;
