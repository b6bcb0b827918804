/** Colours by what they mean, so that every view says the same with the same colour. */
export interface Style {
  readonly error: (text: string) => string;
  readonly warning: (text: string) => string;
  readonly note: (text: string) => string;
  /** Something new, or well ended. */
  readonly added: (text: string) => string;
  readonly changed: (text: string) => string;
  readonly removed: (text: string) => string;
  readonly strong: (text: string) => string;
  /** What may be skipped when reading. */
  readonly faint: (text: string) => string;
}

const ESC = "\u001b[";

function ansi(open: number, close: number): (text: string) => string {
  return (text) => (text === "" ? "" : `${ESC}${open}m${text}${ESC}${close}m`);
}

const asIs = (text: string): string => text;

const strong = ansi(1, 22);

const COLOURED: Style = {
  error: (text) => strong(ansi(31, 39)(text)),
  warning: (text) => strong(ansi(33, 39)(text)),
  note: ansi(36, 39),
  added: ansi(32, 39),
  changed: ansi(33, 39),
  removed: ansi(31, 39),
  strong,
  faint: ansi(2, 22),
};

const PLAIN: Style = {
  error: asIs,
  warning: asIs,
  note: asIs,
  added: asIs,
  changed: asIs,
  removed: asIs,
  strong: asIs,
  faint: asIs,
};

/** With `colour` false nothing but the text itself is written. */
export function createStyle(options: { readonly colour: boolean }): Style {
  return options.colour ? COLOURED : PLAIN;
}
