/** A socket that another thread handed over. Dispose it; so does the thread that opened it, before or after. */
import { FrameAllocator } from "./frames.ts";
import type { PortDescription, XskPort } from "./port.ts";
import { RawXsk } from "./raw-socket.ts";
import type { SocketHandle } from "./raw-socket.ts";
import { SimulatedPort } from "./simulator/simulated-port.ts";

export async function attachSocket(handle: SocketHandle): Promise<RawXsk> {
  const { layout, fillTarget, filled } = handle;
  const frames = FrameAllocator.over(layout, handle.frames);
  return new RawXsk(await attachPort(handle.port), frames, layout, fillTarget, filled);
}

/** Several sockets over the same frames. */
export async function attachSockets(handles: readonly SocketHandle[]): Promise<RawXsk[]> {
  return await Promise.all(handles.map(attachSocket));
}

async function attachPort(description: PortDescription): Promise<XskPort> {
  switch (description.kind) {
    case "simulated":
      return new SimulatedPort(description);
    case "kernel": {
      const { KernelPort } = await import("./kernel-port.ts");
      return KernelPort.borrow(description);
    }
  }
}

/** Lets go of a handle that nobody will take up, or whose thread has ended without closing. Harmless when it was. */
export async function giveBack(handle: SocketHandle): Promise<void> {
  if (handle.port.kind !== "kernel") return;
  const { KernelPort } = await import("./kernel-port.ts");
  KernelPort.giveBack(handle.port);
}
