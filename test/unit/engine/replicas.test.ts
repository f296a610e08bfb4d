/** Several instances, seen as one function; and who of them gets which clients. */
import { describe, expect, it } from "vitest";
import { score } from "../../../src/engine/dataplane/targets.ts";
import { packAddress } from "../../../src/engine/dataplane/port-map.ts";
import { functionOf, mergeViews, replicaIds } from "../../../src/engine/lifecycle/replicas.ts";
import { fakeFunction } from "../../helpers/fake-engine-views.ts";

describe("instances of one function", () => {
  it("have ids that lead back to it", () => {
    expect(replicaIds({ id: "web", instances: 3 })).toEqual(["web", "web~2", "web~3"]);
    expect(replicaIds({ id: "web", instances: 3 }).map(functionOf)).toEqual(["web", "web", "web"]);
  });

  it("are shown as one: sums, and the state of the one most awake", () => {
    const view = fakeFunction("web");
    const asleep = { ...view, state: "WarmSnapshot" as const, instances: [], wakes: 2, openConnections: 0 };
    const awake = { ...view, state: "Running" as const, wakes: 3, openConnections: 4 };
    expect(mergeViews([asleep, awake])).toMatchObject({
      state: "Running",
      wakes: 5,
      openConnections: 4,
      instances: awake.instances,
    });
    expect(mergeViews([asleep, asleep]).state).toBe("WarmSnapshot");
    expect(mergeViews([view])).toBe(view);
  });
});

describe("the ring", () => {
  const owner = (slot: number, addresses: readonly string[]): string =>
    addresses.reduce((best, each) =>
      score(slot, packAddress(each)) > score(slot, packAddress(best)) ? each : best,
    );
  const slots = Array.from({ length: 256 }, (_, slot) => slot);
  const addresses = ["10.213.0.3", "10.213.0.4", "10.213.0.5", "10.213.0.6"];

  it("gives every instance its share, within a half of it", () => {
    for (const address of addresses) {
      const share = slots.filter((slot) => owner(slot, addresses) === address).length;
      expect(share).toBeGreaterThan(32);
      expect(share).toBeLessThan(96);
    }
  });

  it("moves nothing but what the one that went had", () => {
    const left = addresses.slice(0, 3);
    const stayed = slots.filter((slot) => owner(slot, addresses) !== addresses[3]);
    expect(stayed.map((slot) => owner(slot, left))).toEqual(stayed.map((slot) => owner(slot, addresses)));
  });
});
