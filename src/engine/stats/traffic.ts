/** What the data plane counts, as the stats region takes it in. */

export interface TrafficCounts {
  readonly packets: number;
  readonly bytes: number;
  readonly syns: number;
  readonly drops: number;
}

/** Of one interface. */
export interface InterfaceTraffic extends TrafficCounts {
  readonly name: string;
  readonly redirected: number;
  /** Passed without a look at their port, in the order of `unparsedReasons`. */
  readonly unparsed: readonly number[];
}

/** Looked at ten times a second; must neither block nor throw. */
export interface TrafficSource {
  /** Since the engine began, for one trigger port. */
  ofPort(port: number): TrafficCounts;
  /** One entry per interface the data plane is attached to. */
  interfaces(): readonly InterfaceTraffic[];
}

const none: TrafficCounts = { packets: 0, bytes: 0, syns: 0, drops: 0 };

/** While there is no data plane nothing is counted. */
export const noTraffic: TrafficSource = { ofPort: () => none, interfaces: () => [] };
