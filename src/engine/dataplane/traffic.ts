/** The data plane's counters in the form in which the stats region takes them in. */
import { unparsedReasons } from "../../protocol/unparsed-reasons.ts";
import type { TrafficSource } from "../stats/traffic.ts";
import { noTraffic } from "../stats/traffic.ts";
import type { DataPlane } from "./data-plane.ts";

/** Zeros where there is no data plane. */
export function trafficOf(plane: DataPlane | null): TrafficSource {
  if (plane === null) return noTraffic;
  return {
    ofPort: (port) => {
      const found = plane.portCounters(port);
      if (found === null) return noTraffic.ofPort(port);
      return { packets: found.packets, bytes: found.bytes, syns: found.syns, drops: found.synsDropped };
    },
    interfaces: () =>
      plane.interfaceCounters().map(({ name, packets, bytes, dropped, redirected, unparsed }) => ({
        name,
        packets,
        bytes,
        // Connections are counted by port.
        syns: 0,
        drops: dropped,
        redirected,
        unparsed: unparsedReasons.map((reason) => unparsed[reason]),
      })),
  };
}
