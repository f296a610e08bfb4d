import { Box, Text } from "ink";
import { plainText } from "../format/line.ts";
import type { Line } from "../format/line.ts";

/** Lines for a screen reader: a list by its role, the selected one by its state, each a sentence. */
export function SpokenLines({ lines, width }: { readonly lines: readonly Line[]; readonly width: number }) {
  return (
    <Box flexDirection="column" width={width} aria-role="list">
      {lines.map((line, index) => (
        // Lines are places in what is read out: their index is what identifies them.
        // oxlint-disable-next-line react/no-array-index-key
        <Box key={index} aria-state={{ selected: line.selected }}>
          <Text>{plainText(line)}</Text>
        </Box>
      ))}
    </Box>
  );
}
