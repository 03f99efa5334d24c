import { robustLimit } from '../check.js';
import { layerGrid } from '../grid.js';
import { heatmap } from '../heatmap.js';
import { element, escapeText } from '../markup.js';
import { isImage, patchTiles } from './images.js';
import { readable } from './reading.js';
import type { ReportMap, ReportResult } from './types.js';
import { plural } from './unit.js';

const sumOf = (scores: readonly number[]): number => scores.reduce((sum, score) => sum + score, 0);
const paper = (label: string, svg: string): string =>
  element('div', { class: 'paper', tabindex: '0', role: 'group', 'aria-label': label }, svg);

/** What each group of channels of each layer receives: the sums of all layers as a matrix, and each layer's groups by token or patch. */
export function groupsHtml(map: ReportMap, result: ReportResult): string {
  const { groups, options } = map;
  if (!groups || groups.layers.length === 0) return '';
  const unit = options['groups'] === 'heads' ? 'head' : 'group';
  const image = isImage(result);
  const each = image ? 'patch' : 'token';
  const all = groups.layers.flat(2);
  const signed = map.signed || all.some((score) => score < 0);
  const limit = robustLimit(all);
  const columns = Math.max(...groups.layers.map((layer) => layer.length));
  const sums = groups.layers.flatMap((layer) => Array.from({ length: columns }, (_, group) => sumOf(layer[group] ?? [])));
  const matrix = heatmap({
    values: sums,
    rows: groups.layers.length,
    columns,
    signed,
    limit: robustLimit(sums),
    rowLabels: groups.layers.map((_, layer) => `layer ${layer}`),
    columnLabels: Array.from({ length: columns }, (_, group) => `${unit} ${group}`),
    columnTitle: unit === 'head' ? 'head' : 'group of channels',
    cell: { width: Math.min(28, 440 / columns), height: 22 },
  });
  const layers = groups.layers.map((own, layer) => {
    const titles = own.map((_, group) => `${unit} ${group}`);
    const shown = image
      ? patchTiles(own, titles, signed, result)
      : paper(
          `Score by ${unit} and token in layer ${layer}`,
          layerGrid({ layers: own, titles, tokens: readable(result).tokens.map(({ text }) => text), signed, limit, width: 440 }),
        );
    return element('details', {}, `<summary>Layer ${layer}, ${unit} by ${unit}</summary>${shown}`);
  });
  const words = `What the channels of each layer receive where they read the ${image ? 'picture' : 'text'} (${groups.site}), in ${plural(unit)}; summed over all ${plural(each)}, then layer by layer.`;
  return element(
    'details',
    { class: 'groups' },
    `<summary>By layer and ${unit === 'head' ? 'head' : 'group of channels'}</summary><p>${escapeText(words)}</p>${paper(`Sum by layer and ${unit}`, matrix)}${layers.join('')}`,
  );
}
