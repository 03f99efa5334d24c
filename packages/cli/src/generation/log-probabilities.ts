import type { Tokenizer } from '@hidden-attention/checkpoint';
import type { GeneratedToken } from '@hidden-attention/runner';

/** One line a token: its log-probability, and the likeliest in its place. */
export function writeWithAlternatives({ id, logProbability, alternatives = [] }: GeneratedToken, tokenizer: Tokenizer | null): void {
  const name = (own: number): string => (tokenizer ? JSON.stringify(tokenizer.tokenText(own)) : String(own));
  const others = alternatives.map((other) => `${name(other.id)} ${other.logProbability.toFixed(3)}`);
  process.stdout.write(`${name(id)} ${logProbability!.toFixed(3)}${others.length > 0 ? `   of: ${others.join(' · ')}` : ''}\n`);
}
