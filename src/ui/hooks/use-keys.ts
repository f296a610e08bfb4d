import { useInput, usePaste } from "ink";
import type { Controller } from "../control/controller.ts";
import { keyPresses } from "../keys/key-names.ts";

/** Every key and paste of the terminal goes to the controller; there is no other place that listens. */
export function useKeys(controller: Controller): void {
  useInput((input, key) => {
    for (const press of keyPresses(input, key)) controller.press(press);
  });
  // Pasted text is never taken for commands: it only goes into what is being typed.
  usePaste((text) => controller.paste(text));
}
