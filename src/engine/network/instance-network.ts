/**
 * The network of one instance: a namespace, an address, and a veth pair to the host. It is the instance's place and not
 * its process's: it stays while the instance sleeps, with the listening sockets that the engine holds in it.
 *
 * Nothing of it has a name that could stay behind: the namespace lives by descriptors and sockets alone, and the kernel
 * takes the pair, its addresses and its routes with the namespace. After `kill -9` of the engine that is at once.
 */
import { writeFileSync } from "node:fs";
import type { Fd } from "../../ffi/fd.ts";
import { interfaceIndex } from "../../ffi/interfaces.ts";
import { addAddress, addNeighbour, addRoute, makeVeth, removeLink, setLinkUp } from "../../ffi/netlink.ts";
import { inNetns, makeNetns } from "../../ffi/netns.ts";
import { AF_INET, inetSocket, netnsCookie } from "../../ffi/socket.ts";
import { addressBytes, formatAddress } from "./address-range.ts";

/** As large as a packet can be: what loopback and offloads hand over whole goes through whole. */
const mtuBytes = 65_535;
const insideName = "eth0";

/** rp_filter 2: the larger of it and conf/all counts, and 1 there would refuse the answers. */
const hostSettings = [
  ["forwarding", "1"],
  ["accept_local", "1"],
  ["route_localnet", "1"],
  ["rp_filter", "2"],
] as const;

export interface InstanceAddresses {
  readonly address: number;
  readonly gateway: number;
}

export class InstanceNetwork implements Disposable {
  readonly #namespace: Fd;
  /** As "10.213.0.3". */
  readonly address: string;
  /** Of the host's end of the veth pair. */
  readonly hostInterface: string;
  readonly hostIndex: number;
  readonly mac: Uint8Array;
  readonly hostMac: Uint8Array;
  /** Identity of the namespace, as sockets in it have it. */
  readonly cookie: bigint;

  /** @throws SyscallError; nothing is left then */
  constructor({ address, gateway }: InstanceAddresses) {
    const bytes = addressBytes(address);
    this.address = formatAddress(address);
    this.hostInterface = `ae${Buffer.from(bytes).toString("hex")}`;
    // Locally administered (IEEE 802: the second bit of the first byte), told apart by address.
    this.mac = new Uint8Array([0x02, 0xae, ...bytes]);
    this.hostMac = new Uint8Array([0x06, 0xae, ...bytes]);
    this.#namespace = makeNetns();
    try {
      makeVeth(
        { name: this.hostInterface, mac: this.hostMac },
        { name: insideName, mac: this.mac },
        this.#namespace,
        mtuBytes,
      );
      this.hostIndex = interfaceIndex(this.hostInterface);
      this.#setUpHost(bytes, addressBytes(gateway));
      this.cookie = this.run(() => this.#setUpInside(bytes, addressBytes(gateway)));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #setUpHost(address: Uint8Array, gateway: Uint8Array): void {
    const index = this.hostIndex;
    // For this interface alone. Answers to clients on this host come in here under the host's own addresses; every other
    // packet with such addresses is dropped by aether_replies before.
    for (const [setting, value] of hostSettings)
      setSysctl(`ipv4/conf/${this.hostInterface}/${setting}`, value);
    addAddress(index, gateway);
    setLinkUp(index);
    addRoute({ target: address, index, gateway: null, source: gateway });
    addNeighbour(index, address, this.mac);
  }

  #setUpInside(address: Uint8Array, gateway: Uint8Array): bigint {
    const index = interfaceIndex(insideName);
    setLinkUp(interfaceIndex("lo"));
    // The queue of a held listener moves to its successor (docs/wake-path.md).
    setSysctl("ipv4/tcp_migrate_req", "1");
    // What is larger than the client's network takes is cut up on the way: no message about it would find the way back.
    setSysctl("ipv4/ip_no_pmtu_disc", "1");
    addAddress(index, address);
    setLinkUp(index);
    addRoute({ target: gateway, index, gateway: null, source: null });
    addRoute({ target: null, index, gateway, source: address });
    addNeighbour(index, gateway, this.hostMac);
    using socket = inetSocket(AF_INET);
    return netnsCookie(socket);
  }

  /** For a system call made at once. */
  get namespace(): Fd {
    return this.#namespace;
  }

  /** Does something inside: sockets made there are of its network. The work must not wait for anything. */
  run<T>(work: () => T): T {
    return inNetns(this.#namespace, work);
  }

  /**
   * The pair goes now; the namespace with its last socket. In this order: a namespace whose last user goes takes the pair along
   * in its own time, and an interface that vanishes between the look and the removal would be an error.
   */
  [Symbol.dispose](): void {
    if (!this.#namespace.isOpen) return;
    try {
      const index = interfaceIndex(this.hostInterface);
      if (index === this.hostIndex && index !== 0) removeLink(index);
    } finally {
      this.#namespace.close();
    }
  }
}

/** Of the network namespace the calling thread is in. */
function setSysctl(name: string, value: string): void {
  writeFileSync(`/proc/sys/net/${name}`, value);
}
