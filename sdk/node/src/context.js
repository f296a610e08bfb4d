/** Who this process is. Each value is read when it is asked for: a wake changes them. */
import { randomBytes } from "node:crypto";
import { channel } from "./channel.js";

export const context = {
  get functionId() {
    return process.env.AETHER_FUNCTION_ID ?? "";
  },
  get instanceId() {
    return channel()?.instance ?? "";
  },
  get generation() {
    return channel()?.generation ?? 0n;
  },
  get restored() {
    return channel()?.restored ?? false;
  },
  get entropy() {
    return channel()?.entropy ?? new Uint8Array(randomBytes(32));
  },
};
