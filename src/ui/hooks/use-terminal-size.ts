import { useStdout } from "ink";
import { useEffect } from "react";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The size of a terminal; 80x24 where it has none to tell. */
export function terminalSize(stdout: { readonly columns?: number; readonly rows?: number }): TerminalSize {
  return { columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 };
}

/** Calls back with the size now and whenever it changes. */
export function useTerminalSize(onSize: (size: TerminalSize) => void): void {
  const { stdout } = useStdout();
  useEffect(() => {
    const report = (): void => onSize(terminalSize(stdout as NodeJS.WriteStream));
    report();
    stdout.on("resize", report);
    return () => {
      stdout.off("resize", report);
    };
  }, [stdout, onSize]);
}
