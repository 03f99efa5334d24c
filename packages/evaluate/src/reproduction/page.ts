import type { Cell, ResultTable, RowResult } from './row.js';
import { reproductionRows } from './rows/index.js';
import { overall, shown, shownInterval } from './verdict.js';

const cellText = (cell: Cell): string =>
  cell === null ? '—' : typeof cell === 'string' ? cell : typeof cell === 'number' ? shown(cell) : shownInterval(cell);

const escaped = (text: string): string => text.replaceAll('|', '\\|');

/** A table in Markdown, its columns aligned. */
function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows].map((row) => row.map(escaped));
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => [...row[column]!].length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell + ' '.repeat(widths[column]! - [...cell].length)).join(' | ')} |`;
  const [first, ...others] = all as [string[], ...string[][]];
  return [line(first), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...others.map(line)].join('\n');
}

const tableText = ({ title, columns, rows }: ResultTable): string =>
  `**${title}**\n\n${markdownTable(
    ['', ...columns],
    rows.map(({ name, cells }) => [name, ...cells.map(cellText)]),
  )}`;

const words = { yes: 'yes', no: 'no', open: 'cannot be told' };

/** A row's section: claims, tables, what is lacking, the command. */
function section(result: RowResult): string {
  const { id, title, item, method } = reproductionRows.find((row) => row.id === result.id)!;
  const { samples, models = {} } = result.settings as { samples?: number; models?: Record<string, string | null> };
  const used = [...new Set(Object.values(models).filter((path) => path !== null))].map(
    (path) => `\`${path.replace(/^(\.{1,2}\/)+/, '')}\``,
  );
  const pictures = result.pictures.map(({ file, text }) => `![${text}](${folder}/${file})`);
  return [
    `## ${id} ${title}`,
    `_${item}._ ${method}`,
    result.verdicts.length > 0
      ? markdownTable(
          ['claim', 'published', 'here', 'held'],
          result.verdicts.map(({ claim, published, here, held }) => [claim, published, here, words[held]]),
        )
      : '',
    ...pictures,
    ...result.tables.map(tableText),
    result.lacking.length > 0 ? `Lacking: ${result.lacking.join('; ')}.` : '',
    [
      `\`hidden-attention reproduce --rows ${id}\``,
      samples ? `${samples} inputs` : '',
      used.length > 0 ? `models: ${used.join(', ')}` : '',
      result.seconds === undefined ? '' : `${shown(result.seconds)} s of one processor`,
    ]
      .filter(Boolean)
      .join('; '),
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** Where the pictures and the results lie, seen from the page. */
const folder = 'reproduction';

/** The page of the reproduction: every row with the published figure, ours, its interval, and whether the claim held. */
export function reproductionPage(results: readonly RowResult[]): string {
  const minutes = results.reduce((sum, { seconds = 0 }) => sum + seconds, 0) / 60;
  const quick = results.some(({ settings }) => settings['quick']);
  const summary = markdownTable(
    ['row', 'what', 'where', 'whether it held here'],
    reproductionRows.map(({ id, title, item }) => {
      const result = results.find((own) => own.id === id);
      return [result ? `[${id}](#${anchorOf(`${id} ${title}`)})` : id, title, item, result ? overall(result.verdicts) : 'not measured'];
    }),
  );
  return `${[
    '# The paper’s experiments, at the size of the models here',
    `_The Hidden Attention of Mamba Models_ (ACL 2025, arXiv 2403.01590) measures models of up to 2.8 billion parameters on ImageNet, IMDb and
ARC-Easy. Here the same protocols run on small models trained by this repository’s recipes, on garments, scenes whose object is known,
e-mails and nineteenth-century prose. The numbers therefore differ; what can be reproduced is which is larger. Every word under “held” is decided by
the program from the numbers: by a paired permutation test on the same inputs (p < 0.05), or by a limit that stands beside the number. “Cannot be told”
means that these inputs do not tell the two apart. Brackets are bootstrap intervals of 95 % over inputs. Where two models are compared, as
the paper does, remember its own caution: a better figure of one model than of another says little about the method.`,
    `\`\`\`sh\nhidden-attention reproduce --out results              # every row; what is done is not done again\nhidden-attention reproduce --out results --rows E3,E6 --samples 400\n\`\`\``,
    `The rows whose time is given took ${shown(minutes)} minutes of one processor together.${quick ? ' **These are figures of a quick run, nothing to quote.**' : ''} Row E13 asks large language models
to reason with the help of explanations, and has no counterpart at this size. This page is rendered from the results in [\`${folder}\`](${folder}); [errata](errata.md)
lists where the paper and its code disagree. \`paper\` methods are the printed equations; those marked \`:released\` compute what the released code does.`,
    summary,
    ...results.map(section),
  ].join('\n\n')}\n`;
}

/** How the anchor of a heading is made. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s-]/gu, '')
    .replaceAll(' ', '-');
