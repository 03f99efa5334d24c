/** What is scored, ranked and taken out: pieces of a text, or of an image. */
export type Unit = 'word' | 'token' | 'patch';

/** "words", "tokens", "patches". */
export const plural = (unit: string): string => (unit === 'patch' ? 'patches' : `${unit}s`);

/** "8 words", "1 token". */
export const counted = (count: number, unit: Unit): string => `${count} ${count === 1 ? unit : plural(unit)}`;
