/** `engine.metrics`: where metrics are served. */
import { z } from "zod";
import { listenAddress, rule } from "../fields.ts";

/** Where metrics are served. */
export const metricsSchema = z.strictObject(
  {
    listen: listenAddress
      .prefault("127.0.0.1:9090")
      .describe(
        "Address and port, as `127.0.0.1:9090` or `[::1]:9090`. Anything beyond loopback is readable for whoever reaches it: there is no password.",
      ),
  },
  rule("a mapping with listen"),
);
