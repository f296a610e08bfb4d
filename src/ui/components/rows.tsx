import { Box, Text } from "ink";
import { memo } from "react";
import { fitLine, lineWidth } from "../format/line.ts";
import type { Line } from "../format/line.ts";
import { paint } from "../theme/paint.ts";
import type { Theme } from "../theme/themes.ts";

/** One row: one string, so that React compares it in a moment and Ink lays out one node. */
const Row = memo(function Row({ text }: { readonly text: string }) {
  return <Text wrap="truncate-end">{text}</Text>;
});

interface RowsProps {
  readonly lines: readonly Line[];
  readonly width: number;
  readonly height: number;
  readonly theme: Theme | null;
}

/** Exactly `height` rows of exactly the room there is: missing ones blank, surplus ones left out. */
export function Rows({ lines, width, height, theme }: RowsProps) {
  if (height <= 0) return null;
  const rows = Array.from({ length: height }, (_, index) => {
    const line = lines[index];
    if (line === undefined) return " ";
    const cut = line.selected || lineWidth(line) > width ? fitLine(line, width) : line;
    // An empty Text has no height, and the rows below would move up.
    return paint(cut, theme) || " ";
  });
  return (
    <Box flexDirection="column" flexShrink={0} height={height} width={width} overflow="hidden">
      {rows.map((text, index) => (
        // Rows are places on the screen: their index is what identifies them.
        // oxlint-disable-next-line react/no-array-index-key
        <Row key={index} text={text} />
      ))}
    </Box>
  );
}
