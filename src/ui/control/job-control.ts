/** Ctrl-Z: in raw mode the terminal does not send it, so the console stops its job itself. */

const orphanMs = 200;
/** Until a program that stopped itself has done so. */
const continueMs = 50;

/** Stops the whole job, as the terminal would, and resolves when the shell continues it. */
export async function stopUntilContinued(): Promise<void> {
  const continued = Promise.withResolvers<void>();
  const resume = (): void => continued.resolve();
  process.once("SIGCONT", resume);
  // Group 0 is our own: npx and the shell script that started us stop too, or the shell would not notice.
  process.kill(0, "SIGTSTP");
  // The kernel does not stop a job without a shell above it, and no SIGCONT comes then. Timers stand still while stopped.
  const timer = setTimeout(resume, orphanMs);
  await continued.promise;
  clearTimeout(timer);
  process.off("SIGCONT", resume);
}

/**
 * While another program has the terminal, C-c and C-z are meant for that one, but the kernel sends them to all of the job.
 * C-c is not heard here. C-z stops a console that is attached along with the program, and `fg` brings both back; an engine in
 * this process must not stand still: there the program is continued at once.
 */
export function leaveSignalsToProgram(mode: "in-process" | "attached"): Disposable {
  const listeners = process.listeners("SIGINT");
  process.removeAllListeners("SIGINT");
  const ignore = (): void => undefined;
  process.on("SIGINT", ignore);
  const goOn = (): void => void setTimeout(() => process.kill(0, "SIGCONT"), continueMs);
  if (mode === "in-process") process.on("SIGTSTP", goOn);
  return {
    [Symbol.dispose]: () => {
      process.off("SIGTSTP", goOn);
      process.off("SIGINT", ignore);
      for (const listener of listeners) process.on("SIGINT", listener);
    },
  };
}
