/** The themes, in the order in which the key changes them. Apart from their colours, for the command line lists the names. */
export const themeNames = ["dark", "light", "colour-blind", "colour-blind-light", "mono"] as const;
export type ThemeName = (typeof themeNames)[number];
