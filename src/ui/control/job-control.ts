/** Ctrl-Z: in raw mode the terminal does not send it, so the console stops its job itself. */

const orphanMs = 200;

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
