/** What of a function says where clients find it and when it can serve them. */
import { z } from "zod";
import { duration, oneOf, port, rule } from "../fields.ts";
import { httpPath, wholeNumber } from "./values.ts";

const ready = z.union(
  [
    z.literal("handshake"),
    z.literal("port"),
    z.strictObject({ http: httpPath.describe("Path that answers 2xx once the function is ready.") }),
  ],
  rule("handshake, port, or {http: /path}"),
);

/** Its port, and how it says that it is ready. */
export const servingFields = {
  trigger_port: port
    .optional()
    .describe("Port where clients connect and wake the function. The function itself must listen on it.")
    .meta({ examples: [8080] }),
  protocol: oneOf(["tcp", "udp"])
    .default("tcp")
    .describe(
      "What clients of the trigger port speak. A sleeping `udp` function is woken by a datagram; the first ones are kept for it.",
    ),
  network: oneOf(["shared", "private"])
    .default("shared")
    .describe(
      "Whose network its instances use: the machine's, `shared`, or each a `private` one, with an IPv4 address to which the data plane sends the packets of the trigger port. Needs `engine.data_plane`; see docs/private-network.md.",
    ),
  instances: wholeNumber(1, 64)
    .default(1)
    .describe(
      "How many instances the function has. Clients are spread over them, and each sleeps and wakes for its own clients. More than one need `network: private`.",
    )
    .meta({ examples: [3] }),
  ready: ready
    .default("handshake")
    .describe(
      "How the function says that it can serve: `handshake` (it sends READY over the socket named by AETHER_SOCKET), `port` (it listens on the trigger port; for unmodified servers), or `{http: /path}` (that path answers 2xx).",
    )
    .meta({ examples: ["port", { http: "/healthz" }] }),
  ready_timeout: duration
    .prefault("10s")
    .describe("How long a start may take until the function is ready."),
};
