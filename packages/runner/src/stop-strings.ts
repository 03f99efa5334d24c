/**
 * Watches a growing text for strings that end it. What might be the beginning of one is held back until that is decided, so
 * that nothing of a stop string is ever given out.
 */
export class StopStrings {
  #held = '';

  constructor(readonly strings: readonly string[]) {}

  /** More text; gives what is certain to stand before any stop string, and whether one has come. */
  push(text: string): { text: string; stopped: boolean } {
    const all = this.#held + text;
    const found = this.strings.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) {
      this.#held = '';
      return { text: all.slice(0, Math.min(...found)), stopped: true };
    }
    const longest = Math.max(0, ...this.strings.map((stop) => stop.length - 1));
    let keep = Math.min(longest, all.length);
    while (keep > 0 && !this.strings.some((stop) => stop.startsWith(all.slice(all.length - keep)))) keep--;
    this.#held = all.slice(all.length - keep);
    return { text: all.slice(0, all.length - keep), stopped: false };
  }

  /** What was held back, once no more text comes. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }
}
