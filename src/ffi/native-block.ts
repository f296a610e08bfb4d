/** Memory outside of JavaScript whose address a kernel call is given. */
import koffi from "koffi";

export interface NativeBlock {
  readonly at: bigint;
  readonly view: DataView;
}

/** So many bytes, made when they are first asked for and kept. For one call at a time. */
export function nativeBlock(sizeBytes: number): () => NativeBlock {
  let block: NativeBlock | null = null;
  return () => (block ??= allocate(sizeBytes));
}

function allocate(sizeBytes: number): NativeBlock {
  const allocated = koffi.alloc("uint8_t", sizeBytes) as bigint;
  return { at: koffi.address(allocated), view: new DataView(koffi.view(allocated, sizeBytes)) };
}
