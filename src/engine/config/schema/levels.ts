/** Which keys a mapping may hold at each level of aether.yaml. */
import { dataPlaneSchema } from "./data-plane.ts";
import { engineSchema } from "./engine.ts";
import { fileSchema } from "./file.ts";
import { functionSchema } from "./function.ts";
import { handlerSchema } from "./handler.ts";
import { idleSchema } from "./idle.ts";
import { metricsSchema } from "./metrics.ts";
import { warmupSchema } from "./warmup.ts";

/** One level: what stands before its keys in a path, and its keys. */
export interface Level {
  readonly prefix: string;
  readonly keys: readonly string[];
}

/** All levels, the outermost first. */
export const levels: readonly Level[] = [
  { prefix: "", keys: Object.keys(fileSchema.shape) },
  { prefix: "engine.", keys: Object.keys(engineSchema.shape) },
  { prefix: "engine.metrics.", keys: Object.keys(metricsSchema.shape) },
  { prefix: "engine.data_plane.", keys: Object.keys(dataPlaneSchema.shape) },
  { prefix: "functions[].", keys: Object.keys(functionSchema.shape) },
  { prefix: "functions[].handler.", keys: Object.keys(handlerSchema.shape) },
  { prefix: "functions[].ready.", keys: ["http"] },
  { prefix: "functions[].idle.", keys: Object.keys(idleSchema.shape) },
  { prefix: "functions[].warmup[].", keys: Object.keys(warmupSchema.shape) },
];
