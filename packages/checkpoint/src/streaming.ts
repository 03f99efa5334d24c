/**
 * Decodes ids one by one with a decoder of whole lists: each push gives the text that has become certain. A U+FFFD at the end
 * may be a character whose other bytes are still to come, so it waits.
 *
 * A decoder may treat the first id differently (drop its leading space), so new ids are decoded together with some that were
 * given before, and only what comes after the text of those is given.
 */
export function streamingDecoder(decode: (ids: readonly number[]) => string): { push(id: number): string; end(): string } {
  let given: number[] = []; // ids whose text is out, for context
  let waiting: number[] = [];
  let shown = 0; // UTF-16 units of the waiting ids' text that are out
  const text = (): string => decode([...given, ...waiting]).slice(decode(given).length);
  return {
    push(id) {
      waiting.push(id);
      const all = text();
      const certain = all.endsWith('\uFFFD') ? all.length - 1 : all.length;
      const fresh = all.slice(shown, certain);
      if (certain < all.length || all === '') {
        shown = Math.max(shown, certain);
      } else {
        given = waiting;
        waiting = [];
        shown = 0;
      }
      return fresh;
    },
    end() {
      const rest = text().slice(shown);
      given = waiting = [];
      shown = 0;
      return rest;
    },
  };
}
