/** The counters of one interface: they go on when its program is replaced, and when it is attached again. */
import type { BpfObject } from "../../ffi/libbpf.ts";
import type { CounterArrays } from "./counters.ts";
import type { MappedArray } from "../../ffi/libbpf.ts";
import { mapsOfInterface } from "./xdp-object.ts";
import type { InterfaceMaps } from "./xdp-object.ts";

export class InterfaceCounterMaps implements CounterArrays, Disposable {
  readonly maps: InterfaceMaps;
  readonly ports: MappedArray;
  readonly unparsed: MappedArray;

  /** @param object the first one of the interface */
  constructor(object: BpfObject) {
    this.maps = mapsOfInterface(object);
    this.ports = this.maps.port_counters.map();
    this.unparsed = this.maps.interface_counters.map();
  }

  [Symbol.dispose](): void {
    for (const handle of [this.ports, this.unparsed, ...Object.values(this.maps)]) handle[Symbol.dispose]();
  }
}
