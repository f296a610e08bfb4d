/** The console's tree: regions of fixed height, each a pure function of the state. */
import { Box, useIsScreenReaderEnabled } from "ink";
import { useCallback, useMemo } from "react";
import { headerLine, tabsLine } from "./components/header.ts";
import { hintLine } from "./components/hint-line.ts";
import { Rows } from "./components/rows.tsx";
import type { Controller } from "./control/controller.ts";
import { useKeys } from "./hooks/use-keys.ts";
import { useConsoleState } from "./hooks/use-store.ts";
import { useTerminalSize } from "./hooks/use-terminal-size.ts";
import type { TerminalSize } from "./hooks/use-terminal-size.ts";
import { layoutOf } from "./store/layout.ts";
import type { Store } from "./store/store.ts";
import { makeTheme } from "./theme/themes.ts";
import type { ColourDepth } from "./theme/themes.ts";
import { dividerLine, lowerLines, mainLines } from "./views/main.ts";
import { screenReaderLines } from "./views/screen-reader.ts";
import { tooSmallLines } from "./views/too-small.ts";

export interface AppProps {
  readonly store: Store;
  readonly controller: Controller;
  readonly colours: ColourDepth;
}

export function App({ store, controller, colours }: AppProps) {
  const state = useConsoleState(store);
  const spoken = useIsScreenReaderEnabled();
  useKeys(controller);
  useTerminalSize(useCallback((size: TerminalSize) => store.dispatch({ type: "resize", ...size }), [store]));
  const name = state.ui.theme;
  const theme = useMemo(() => (spoken ? null : makeTheme(name, colours)), [spoken, name, colours]);
  const layout = layoutOf(state);
  const { columns: width, rows } = layout;
  if (width <= 0 || rows <= 0) return null;
  if (layout.tooSmall) return <Rows lines={tooSmallLines(state)} width={width} height={rows} theme={theme} />;
  if (spoken) {
    const lines = screenReaderLines(state, layout);
    return <Rows lines={lines} width={width} height={lines.length} theme={null} />;
  }
  const divider = dividerLine(state, layout);
  return (
    <Box flexDirection="column" width={width} height={rows} overflow="hidden">
      <Rows
        lines={[headerLine(state, width), tabsLine(state, width)]}
        width={width}
        height={2}
        theme={theme}
      />
      <Rows lines={mainLines(state, layout)} width={width} height={layout.main} theme={theme} />
      {divider !== null && <Rows lines={[divider]} width={width} height={1} theme={theme} />}
      <Rows lines={lowerLines(state, layout)} width={width} height={layout.lowerRows} theme={theme} />
      <Rows lines={layout.toast} width={width} height={layout.toast.length} theme={theme} />
      <Rows lines={layout.drawer} width={width} height={layout.drawer.length} theme={theme} />
      <Rows lines={[hintLine(state)]} width={width} height={1} theme={theme} />
    </Box>
  );
}
