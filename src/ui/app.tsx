/** The console's tree: every frame is a pure function of the state. Ink lays it out for screen readers; else it is painted. */
import { useIsScreenReaderEnabled } from "ink";
import { useCallback, useLayoutEffect, useMemo } from "react";
import { headerLine, tabsLine } from "./components/header.ts";
import { hintLine } from "./components/hint-line.ts";
import { SpokenLines } from "./components/spoken-lines.tsx";
import type { Controller } from "./control/controller.ts";
import { asciiLine } from "./format/ascii.ts";
import { emptyLine } from "./format/line.ts";
import type { Line } from "./format/line.ts";
import { useKeys } from "./hooks/use-keys.ts";
import { useConsoleState } from "./hooks/use-store.ts";
import { useTerminalSize } from "./hooks/use-terminal-size.ts";
import type { TerminalSize } from "./hooks/use-terminal-size.ts";
import type { Painter } from "./screen/painter.ts";
import { fitRow } from "./screen/row-update.ts";
import { layoutOf } from "./store/layout.ts";
import type { Layout } from "./store/layout.ts";
import type { Store } from "./store/store.ts";
import type { ConsoleState } from "./store/types.ts";
import { makeTheme } from "./theme/themes.ts";
import type { ColourDepth } from "./theme/themes.ts";
import { dividerLine, lowerLines, mainLines } from "./views/main.ts";
import { screenReaderLines } from "./views/screen-reader.ts";
import { tooSmallLines } from "./views/too-small.ts";

export interface AppProps {
  readonly store: Store;
  readonly controller: Controller;
  readonly colours: ColourDepth;
  readonly ascii: boolean;
  readonly painter: Painter;
}

/** Exactly `height` rows. */
const region = (lines: readonly Line[], height: number): readonly Line[] =>
  Array.from({ length: Math.max(0, height) }, (_, index) => lines[index] ?? emptyLine);

/** Regions of fixed height, one below the other: no row is left over, and none is taken twice. */
export function frameLines(state: ConsoleState, layout: Layout): readonly Line[] {
  const { columns, rows } = layout;
  if (layout.tooSmall) return region(tooSmallLines(state), rows);
  const divider = dividerLine(state, layout);
  return [
    headerLine(state, columns),
    tabsLine(state, columns),
    ...region(mainLines(state, layout), layout.main),
    ...(divider === null ? [] : [divider]),
    ...region(lowerLines(state, layout), layout.lowerRows),
    ...layout.toast,
    ...layout.drawer,
    hintLine(state),
  ];
}

/** Before fitting, for a stand-in may be longer; and after it, for a cut is shown by an ellipsis. */
const inAscii = (line: Line, columns: number): Line => asciiLine(fitRow(asciiLine(line), columns));

export function App({ store, controller, colours, ascii, painter }: AppProps) {
  const state = useConsoleState(store);
  const spoken = useIsScreenReaderEnabled();
  useKeys(controller);
  useTerminalSize(useCallback((size: TerminalSize) => store.dispatch({ type: "resize", ...size }), [store]));
  const name = state.ui.theme;
  const theme = useMemo(() => makeTheme(name, colours), [name, colours]);
  const layout = layoutOf(state);
  const { columns, rows } = layout;
  const isVisible = columns > 0 && rows > 0;
  const lines = !isVisible ? [] : spoken ? screenReaderLines(state, layout) : frameLines(state, layout);
  useLayoutEffect(() => {
    if (spoken || !isVisible) return;
    painter.show({
      lines: ascii ? lines.map((line) => inAscii(line, columns)) : lines,
      columns,
      rows,
      theme,
    });
  });
  return spoken && isVisible ? <SpokenLines lines={lines} width={columns} /> : null;
}
