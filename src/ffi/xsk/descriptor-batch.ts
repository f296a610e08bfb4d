/** Descriptors of a batch of packets, in arrays that are used again and again. */
export class DescriptorBatch {
  readonly capacity: number;
  /** Of the first byte, in the UMEM. */
  readonly addresses: Uint32Array;
  readonly lengths: Uint32Array;
  count = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.addresses = new Uint32Array(capacity);
    this.lengths = new Uint32Array(capacity);
  }

  /** False: the batch is full. */
  add(address: number, lengthBytes: number): boolean {
    if (this.count === this.capacity) return false;
    this.addresses[this.count] = address;
    this.lengths[this.count] = lengthBytes;
    this.count += 1;
    return true;
  }
}
