type Span = [start: number, end: number];

/** One letter to compare, and the span of the text that it stands for. */
interface Letter {
  letter: string;
  place: Span;
}

/**
 * Which part of a text each token covers, when only the tokens' bytes are known. Where the bytes are the text's own, this is
 * exact. Where the tokenizer changed the text first (lower case, composed accents, a space in front, unknown characters), the
 * two are matched letter by letter without regard to case, accents and the kind of space, and what has no counterpart is stepped over.
 * @param pieces the bytes of each token
 * @returns UTF-16 offsets, in order
 */
export function alignTokens(text: string, pieces: readonly Uint8Array[]): Span[] {
  const { spans, bytes } = concatenated(pieces);
  const places = placesOfBytes(text, bytes);
  let before = 0;
  return spans.map(([start, end]) => {
    let from = Infinity;
    let to = before;
    for (let byte = start; byte < end; byte++) {
      const [left, right] = places[byte]!;
      if (left === right) continue;
      from = Math.min(from, left);
      to = Math.max(to, right);
    }
    if (from === Infinity) return [before, before];
    before = to;
    return [from, to];
  });
}

function concatenated(pieces: readonly Uint8Array[]): { spans: Span[]; bytes: Uint8Array } {
  let length = 0;
  const spans = pieces.map((piece): Span => [length, (length += piece.length)]);
  const bytes = new Uint8Array(length);
  pieces.forEach((piece, i) => bytes.set(piece, spans[i]![0]));
  return { spans, bytes };
}

/** The span of the text that each byte of the tokens comes from. */
function placesOfBytes(text: string, bytes: Uint8Array): Span[] {
  const own = spansOfBytes(text);
  const textBytes = new TextEncoder().encode(text);
  if (textBytes.length === bytes.length && textBytes.every((byte, i) => byte === bytes[i])) return own;
  const tokenText = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  const spanOf = matchLetters(letters(text), letters(tokenText));
  // a character of the tokens → its bytes; where they are no UTF-8 the counts differ, and the last span stands for the rest
  const places = spansOfBytes(tokenText).map(([start]) => spanOf.get(start) ?? [0, 0]) as Span[];
  while (places.length < bytes.length) places.push(places.at(-1) ?? [0, 0]);
  return places;
}

/** For each byte of a text's UTF-8, the UTF-16 offsets of its character. */
function spansOfBytes(text: string): Span[] {
  const spans: Span[] = [];
  for (const { letter, place } of characters(text)) {
    const code = letter.codePointAt(0)!;
    const count = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (let i = 0; i < count; i++) spans.push(place);
  }
  return spans;
}

function characters(text: string): Letter[] {
  let at = 0;
  return Array.from(text, (letter) => ({ letter, place: [at, (at += letter.length)] }));
}

/** A text's characters, with the accents that follow, as they are compared: decomposed, without accents, in lower case, one kind of space. */
function letters(text: string): Letter[] {
  return Array.from(text.matchAll(/\P{M}\p{M}*|\p{M}+/gu)).flatMap(({ 0: character, index }) => {
    const plain = character.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(/[\s▁]/gu, ' ');
    return Array.from(plain, (letter) => ({ letter, place: [index, index + character.length] as Span }));
  });
}

/** How far ahead a counterpart is looked for, and how many letters must agree there. */
const reach = 24;
const agreement = 3;

/** The span of the text for each character of the tokens, by its offset. */
function matchLetters(source: readonly Letter[], target: readonly Letter[]): Map<number, Span> {
  const found = new Map<number, Span>();
  const note = (place: Span, span: Span): void => {
    const sofar = found.get(place[0]);
    found.set(place[0], sofar && sofar[0] !== sofar[1] ? [Math.min(sofar[0], span[0]), Math.max(sofar[1], span[1])] : span);
  };
  let i = 0;
  let j = 0;
  while (i < source.length && j < target.length) {
    if (source[i]!.letter === target[j]!.letter) {
      note(target[j++]!.place, source[i++]!.place);
      continue;
    }
    const [skipSource, skipTarget] =
      source[i]!.letter === ' ' ? [1, 0] : target[j]!.letter === ' ' ? [0, 1] : nearestAgreement(source, target, i, j);
    const from = source[i]!.place[0];
    const to = skipSource === 0 ? from : source[i + skipSource - 1]!.place[1];
    for (let k = 0; k < skipTarget; k++) note(target[j + k]!.place, [from, to]);
    i += skipSource;
    j += skipTarget;
  }
  return found;
}

/** The fewest letters to step over on both sides until the next ones agree; everything in reach when none do. */
function nearestAgreement(source: readonly Letter[], target: readonly Letter[], i: number, j: number): [number, number] {
  for (let total = 1; total <= 2 * reach; total++) {
    for (let a = Math.max(0, total - reach); a <= Math.min(total, reach); a++)
      if (agree(source, target, i + a, j + total - a)) return [a, total - a];
  }
  return [Math.min(reach, source.length - i), Math.min(reach, target.length - j)];
}

/** Whether the next letters from i and j on are the same, spaces apart; at the end of both, they are. */
function agree(source: readonly Letter[], target: readonly Letter[], i: number, j: number): boolean {
  for (let seen = 0; seen < agreement; seen++, i++, j++) {
    while (source[i]?.letter === ' ') i++;
    while (target[j]?.letter === ' ') j++;
    if (source[i]?.letter !== target[j]?.letter) return false;
    if (i >= source.length) return true;
  }
  return true;
}
