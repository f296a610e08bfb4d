/** The networks of an engine's private instances: made when the first is asked for, kept while an instance is replaced. */
import type { Fd } from "../../ffi/fd.ts";
import { AetherError, isAetherError } from "../../protocol/errors.ts";
import {
  addressAt,
  firstInstance,
  formatRange,
  gatewayIndex,
  instanceRoom,
  localClientsIndex,
  formatAddress,
} from "./address-range.ts";
import type { AddressRange } from "./address-range.ts";
import { chooseRange } from "./choose-range.ts";
import { InstanceNetwork } from "./instance-network.ts";

/** What else has to know of a network: the data plane that leads there, the programs that count in it. */
export interface NetworkUsers {
  /** @param localSource the address that clients on this machine have there. Throws AetherError */
  added(network: InstanceNetwork, localSource: string): void;
  removed(network: InstanceNetwork): void;
}

interface Place {
  readonly network: InstanceNetwork;
  readonly index: number;
  inUse: boolean;
}

export class Networks implements Disposable {
  readonly #declared: string | null;
  readonly #users: NetworkUsers;
  readonly #places = new Map<string, Place>();
  #chosen: { readonly range: AddressRange; readonly hold: Fd } | null = null;

  /** @param declared `engine.private_range` */
  constructor(declared: string | null, users: NetworkUsers) {
    this.#declared = declared;
    this.#users = users;
  }

  /**
   * The network of an instance; the one it had where it is replaced.
   * @throws AetherError AE_ADDRESS_RANGE_TAKEN, AE_NETWORK_FAILED, those of the family EbpfError
   */
  take(id: string): InstanceNetwork {
    const known = this.#places.get(id);
    if (known !== undefined) {
      known.inUse = true;
      return known.network;
    }
    const { range } = (this.#chosen ??= chooseRange(this.#declared));
    const index = this.#freeIndex(id, range);
    const network = makeNetwork(id, range, index);
    try {
      this.#users.added(network, formatAddress(addressAt(range, localClientsIndex)));
    } catch (error) {
      network[Symbol.dispose]();
      throw error;
    }
    this.#places.set(id, { network, index, inUse: true });
    return network;
  }

  #freeIndex(id: string, range: AddressRange): number {
    const taken = new Set([...this.#places.values()].map(({ index }) => index));
    for (let index = firstInstance; index < firstInstance + instanceRoom(range); index++)
      if (!taken.has(index)) return index;
    throw new AetherError("AE_ADDRESS_RANGE_TAKEN", `${id}: there is no address left for it`, {
      why: `${formatRange(range)} has addresses for ${instanceRoom(range)} instances`,
      hint: "Declare a larger engine.private_range.",
      data: { range: formatRange(range), function: id },
    });
  }

  /** The instance is gone; its network goes with the next `sweep`, unless it is taken again before. */
  release(id: string): void {
    const place = this.#places.get(id);
    if (place !== undefined) place.inUse = false;
  }

  /** Removes what was released. */
  sweep(): void {
    for (const [id, place] of this.#places) {
      if (place.inUse) continue;
      this.#places.delete(id);
      this.#users.removed(place.network);
      place.network[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    for (const place of this.#places.values()) place.inUse = false;
    this.sweep();
    this.#chosen?.hold.close();
    this.#chosen = null;
  }
}

function makeNetwork(id: string, range: AddressRange, index: number): InstanceNetwork {
  try {
    return new InstanceNetwork({
      address: addressAt(range, index),
      gateway: addressAt(range, gatewayIndex),
    });
  } catch (error) {
    if (isAetherError(error)) throw error;
    throw new AetherError("AE_NETWORK_FAILED", `${id}: its network could not be made`, {
      why: error instanceof Error ? error.message : String(error),
      hint: "CAP_NET_ADMIN, CAP_SYS_ADMIN, veth (`modprobe veth`) and a writable /proc/sys/net are needed.",
      data: { function: id },
      cause: error,
    });
  }
}
