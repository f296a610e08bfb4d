/** SYNs to sleeping ports, as the programs report them: whoever waits for a port is called once. */
import { BpfRing } from "../../ffi/bpf-ring.ts";
import { epollIn } from "../../ffi/epoll.ts";
import type { Epoll } from "../../ffi/epoll.ts";
import type { BpfMap } from "../../ffi/libbpf.ts";
import { structs } from "./layout.ts";
import type { PortTable } from "./port-table.ts";

const portAt = structs.syn_event.fields.port;

export class SynReports implements Disposable {
  readonly #epoll: Epoll;
  readonly #ring: BpfRing;
  readonly #ports: PortTable;
  readonly #waiting = new Map<number, () => void>();

  constructor(epoll: Epoll, map: BpfMap, ports: PortTable) {
    this.#epoll = epoll;
    this.#ports = ports;
    this.#ring = new BpfRing(map);
    epoll.add(this.#ring.fd, epollIn, () => this.#drain());
  }

  /** Calls back at the next SYN to the port, once. The port must be declared. */
  watch(port: number, onSyn: () => void): void {
    this.#waiting.set(port, onSyn);
    this.#ports.reportSyns(port, true);
  }

  unwatch(port: number): void {
    if (this.#waiting.delete(port)) this.#ports.reportSyns(port, false);
  }

  /** Called back after the ring was read to its end: a callback may take long, or throw. */
  #drain(): void {
    const seen = new Set<number>();
    this.#ring.drain((record) => void seen.add(record.getUint16(portAt, true)));
    const called = [...seen].flatMap((port) => {
      const onSyn = this.#waiting.get(port);
      this.unwatch(port);
      return onSyn ?? [];
    });
    for (const onSyn of called) onSyn();
  }

  [Symbol.dispose](): void {
    for (const port of this.#waiting.keys()) this.unwatch(port);
    this.#epoll.remove(this.#ring.fd);
    this.#ring[Symbol.dispose]();
  }
}
