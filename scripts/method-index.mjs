// docs/methods/README.md, out of the registry: the test of the pages compares it with the file.

/** @param explainers as `listExplainers` of @hidden-attention/explain gives them */
export function methodIndex(explainers) {
  const variants = new Map();
  for (const explainer of explainers) variants.set(explainer.name, [...(variants.get(explainer.name) ?? []), explainer]);
  const rows = [...variants].map(([name, all]) => {
    const names = all.map(({ variant = 'paper' }) => `\`${variant}\``).join(', ');
    const [{ title, summary }] = all;
    return `| [\`${name}\`](${name}.md) | ${title} | ${names} | ${summary} |`;
  });
  return `# Methods

Every explainer that ships, by the name that \`--method\` takes. Each has a page: its formula, what it answers, its options, what it costs,
where it is known to fail, and a picture that the command drew from a shipped model. \`node scripts/method-pages.mjs\` writes this
table out of the registry; with \`--pictures\` it draws, too.

| method | title | variants | what the map means |
| ------ | ----- | -------- | ------------------ |
${rows.join('\n')}

What each costs in forward passes is [measured](../benchmarks/README.md). Whatever the method, a map comes with [a certificate](../certificates.md).
`;
}
