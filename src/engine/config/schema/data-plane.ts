/** `engine.data_plane`: the XDP programs. */
import { z } from "zod";
import { flag, oneOf, rule } from "../fields.ts";

/** XDP programs on interfaces. */
export const dataPlaneSchema = z.strictObject(
  {
    interfaces: z
      .array(
        z
          .string(rule("the name of a network interface"))
          .regex(/^(?!\.{1,2}$)[^\s/:\0]{1,15}$/, rule("the name of a network interface")),
        rule("a list of network interfaces"),
      )
      .min(1, rule("a list of at least one network interface"))
      .describe(
        "Interfaces whose packets are counted and routed; `lo` is where clients on this machine come in.",
      )
      .meta({ examples: [["lo"]] }),
    mode: oneOf(["auto", "native", "generic"])
      .default("auto")
      .describe(
        "Where the program runs: `native` in the driver, `generic` after it, or `auto`: native where the driver can.",
      ),
    required: flag
      .default(true)
      .describe(
        "Whether the engine refuses to start when a program cannot be attached; otherwise it says so and goes on without a data plane.",
      ),
  },
  rule("off, or a mapping with interfaces, mode, required"),
);
