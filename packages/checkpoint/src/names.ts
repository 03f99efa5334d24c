/** Published names that differ from ours, which are those of Hugging Face's own models. */
const renamed: readonly [pattern: RegExp, ours: string][] = [
  // the layout in which the paper's authors published their weights
  [/^backbone\.embedding\.weight$/, 'backbone.embeddings.weight'],
  // GPT-2 as it was first converted: without what is in front of all names
  [/^(wte|wpe|ln_f|h\.\d+)\./, 'transformer.$1.'],
];

/** Our name of a parameter, from the name under which it was published. */
export function ourName(published: string): string {
  return renamed.reduce((name, [pattern, ours]) => name.replace(pattern, ours), published);
}
