const BLANKS: Readonly<Record<string, string>> = {
  ' ': 'a space',
  '\n': 'a line break',
  '\r\n': 'a line break',
  '\t': 'a tab',
  '': 'nothing',
};

/** At most `most` characters as a reader counts them, the last of them an ellipsis where something was left out. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const characters = Array.from(new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text), ({ segment }) => segment);
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}

/** Line breaks as ⏎, spaces at the ends as ␣. */
export function visible(text: string): string {
  return text.replace(/\r?\n/g, '⏎').replace(/^\s+|\s+$/g, (space) => '␣'.repeat(space.length));
}

/** A stretch of text as a name in a sentence or list: white space shown, or named where there is nothing else; at most 28 characters. */
export function named(text: string): string {
  return BLANKS[text] ?? shorten(visible(text), 28);
}
