import { element, escapeText } from '../markup.js';
import { pageStyle } from '../report/style.js';

const TABLES = `
.scroll{overflow-x:auto}
table.figures{width:auto;min-width:50%;margin:.6rem 0 1rem}
table.figures th,table.figures td{padding:.2rem .9rem .2rem 0;vertical-align:top;white-space:nowrap}
table.figures td{font-variant-numeric:tabular-nums}
table.figures thead th{border-bottom:1px solid var(--line)}
tr.baseline{color:var(--quiet)}
.best{font-weight:700}
.interval{color:var(--quiet);font-size:.82em}
.range{display:block;position:relative;height:.7rem;width:8rem;margin:.15rem 0 .1rem;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.range .extent{position:absolute;top:.2rem;height:.3rem;border-radius:.15rem;background:var(--unsigned)}
.range .chance{position:absolute;top:0;height:.7rem;border-left:1px dashed var(--quiet)}
.note{display:block;line-height:1.3}
.example{margin:1.5rem 0 2.5rem}
.example h4{margin-bottom:.4rem}
.method-maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,31rem),1fr));gap:0 2.5rem}
.method-map{margin:.6rem 0;min-width:0}
`;

/** A page that loads nothing and runs nothing. `body` is markup already. */
export function page(title: string, body: readonly string[], version: string): string {
  const head = [
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    element('title', {}, escapeText(title)),
    `<style>${pageStyle(true)}${TABLES}</style>`,
  ];
  const footer = element('footer', {}, escapeText(`Made by hidden-attention ${version}.`));
  return `<!doctype html>\n<html lang="en">\n<head>\n${head.join('\n')}\n</head>\n<body>\n${body.join('\n')}\n${footer}\n</body>\n</html>\n`;
}

/** A heading row and rows of markup. */
export function table(
  head: readonly string[],
  rows: readonly { readonly cells: readonly string[]; readonly class?: string | undefined }[],
): string {
  const top = element('thead', {}, element('tr', {}, head.map((text) => element('th', { scope: 'col' }, text)).join('')));
  const body = rows.map(({ cells, class: name }) => {
    const [first = '', ...rest] = cells;
    return element('tr', { class: name }, element('th', { scope: 'row' }, first) + rest.map((cell) => element('td', {}, cell)).join(''));
  });
  return element('div', { class: 'scroll' }, element('table', { class: 'figures' }, top + element('tbody', {}, body.join(''))));
}
