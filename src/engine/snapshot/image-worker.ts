/** The thread in which images are finished: it reads and writes tens of megabytes, and must hold up nobody. */
import { parentPort } from "node:worker_threads";
import { giveWay } from "../../ffi/scheduling.ts";
import { finishImage } from "./finish-image.ts";
import type { ImageAnswer, ImageOrder } from "./image-thread.ts";

if (parentPort === null) throw new Error("to be run as a worker thread");
const port = parentPort;
giveWay();

port.on("message", ({ id, request }: ImageOrder) => {
  let answer: ImageAnswer;
  try {
    answer = { id, finished: finishImage(request), failure: null };
  } catch (error) {
    answer = { id, finished: null, failure: error instanceof Error ? error.message : String(error) };
  }
  port.postMessage(answer);
});
