/** What `network: private` and `instances` ask for, judged from the file alone. */
import { instanceRoom, parseRange } from "../network/address-range.ts";
import type { Draft, FunctionDraft } from "./draft.ts";
import { finding } from "./finding.ts";
import type { Finding } from "./finding.ts";

const at = ({ index }: FunctionDraft, field: string): (string | number)[] => ["functions", index, field];

function contradiction(entry: FunctionDraft, field: string, message: string, hint: string): Finding {
  return finding("AE_CONFIG_CONTRADICTION", at(entry, field), message, hint);
}

function privateFindings(entry: FunctionDraft, dataPlane: Draft["engine"]["data_plane"]): Finding[] {
  const found: Finding[] = [];
  const add = (message: string, hint: string): void =>
    void found.push(contradiction(entry, "network", message, hint));
  if (!entry.written.has("trigger_port"))
    add("network: private needs a trigger_port: its packets are what is led there", "Add trigger_port.");
  if (dataPlane === undefined) return found;
  if (dataPlane === "off") {
    add(
      "network: private needs engine.data_plane, which leads packets to the instance",
      "Add engine.data_plane: {interfaces: [lo], mode: generic}.",
    );
    return found;
  }
  const { mode, required, interfaces } = dataPlane;
  if (mode !== "generic" && interfaces.some((name) => name !== "lo")) {
    add(
      `network: private needs engine.data_plane.mode: generic, and it is ${mode}`,
      "The native hook of a driver cannot hand packets to an instance. Only where lo is the one interface may the mode be left out.",
    );
  }
  if (!required) {
    add(
      "network: private contradicts engine.data_plane.required: false",
      "Without its data plane nobody would reach the function: leave `required` out.",
    );
  }
  return found;
}

function instanceFindings(entry: FunctionDraft): Finding[] {
  const { instances = 1, network, wake_on: wakeOn } = entry.fields;
  if (instances < 2) return [];
  const found: Finding[] = [];
  if (network === "shared") {
    const hint = "Add network: private; in one network only one of them could have the port.";
    found.push(contradiction(entry, "instances", `instances: ${instances} needs network: private`, hint));
  }
  if (wakeOn === "syn") {
    const hint = "Use wake_on: connection, which wakes the one that the client was led to.";
    found.push(
      contradiction(entry, "wake_on", `wake_on: syn needs one instance, and there are ${instances}`, hint),
    );
  }
  return found;
}

/** More instances than addresses. */
function roomFindings(draft: Draft): Finding[] {
  const range = parseRange(draft.engine.private_range ?? "");
  if (range === null) return [];
  const room = instanceRoom(range);
  let count = 0;
  for (const entry of draft.functions) {
    if (entry.fields.network !== "private") continue;
    count += entry.fields.instances ?? 1;
    if (count <= room) continue;
    const message = `engine.private_range has addresses for ${room} instances, and with this function there are ${count}`;
    return [contradiction(entry, "network", message, "Declare a larger engine.private_range.")];
  }
  return [];
}

/** Every contradiction of networks and instances. */
export function checkNetworks(draft: Draft): Finding[] {
  return [
    ...draft.functions.flatMap((entry) => [
      ...(entry.fields.network === "private" ? privateFindings(entry, draft.engine.data_plane) : []),
      ...instanceFindings(entry),
    ]),
    ...roomFindings(draft),
  ];
}
