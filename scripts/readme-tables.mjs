// node scripts/readme-tables.mjs: writes the tables of the README that say what is read, out of the registries.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import prettier from 'prettier';

const root = fileURLToPath(new URL('..', import.meta.url));
const begin = '<!-- families and formats: written by scripts/readme-tables.mjs -->';
const end = '<!-- end of families and formats -->';

/** The README as it should be. */
export async function readmeWithTables() {
  const { getFamily, listFamilies } = await import(join(root, 'packages/model/dist/index.js'));
  const { ggufFamilies, weightFormats } = await import(join(root, 'packages/checkpoint/dist/index.js'));
  const families = listFamilies().map((name) => {
    const files = ['safetensors', 'PyTorch', ...(ggufFamilies.includes(name) ? ['GGUF'] : [])].join(', ');
    return `| \`${name}\` | ${getFamily(name).title ?? ''} | ${files} |`;
  });
  const formats = weightFormats.toReversed().map(({ name, reads, writes }) => {
    const written = writes ? `${writes.types.join(', ')} (\`${writes.by}\`)` : 'not';
    return `| ${name} | ${reads.join(', ')} | ${written} |`;
  });
  const tables = [
    '| `model_type` | family | files |',
    '| --- | --- | --- |',
    ...families,
    '',
    '| format | read | written |',
    '| --- | --- | --- |',
    ...formats,
  ].join('\n');
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  const [before, rest] = text.split(begin);
  const after = rest.split(end)[1];
  const path = join(root, 'README.md');
  return prettier.format(`${before}${begin}\n\n${tables}\n\n${end}${after}`, { ...(await prettier.resolveConfig(path)), filepath: path });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(join(root, 'README.md'), await readmeWithTables());
