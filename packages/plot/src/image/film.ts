import { paragraph, QUIET, stack, svgFragment } from '../drawing.js';
import { element } from '../markup.js';
import { layerMaps, type LayerMap, type LayerStrip } from './layers.js';
import { overlayDrawing } from './overlay.js';
import { described } from './patches.js';
import { pictureDefinitions } from './picture.js';

/** The film of layers whose picture the page defines already. */
export function filmHtml(maps: readonly LayerMap[], width: number): string {
  const frames = maps.map((map) => {
    const words = paragraph(`${map.title} (${map.reach})`, width, { fill: QUIET });
    return svgFragment(stack([overlayDrawing(map, 'plain'), words], 6), `${map.title}. ${described(map)}`);
  });
  const size = `--frames:${maps.length};--width:${width}px`;
  const attributes = { class: 'film', style: size, tabindex: '0', role: 'group', 'aria-label': 'One layer after another' };
  return element('div', attributes, element('div', {}, frames.join('')));
}

/**
 * The layers of a map as a film for a page with the rules of `filmCss`: one after another in the same place, without a script. It stands
 * still while the pointer or the keyboard is on it, and where people ask for less motion they scroll through it instead.
 * @throws RangeError as `layerStrip` does.
 */
export function layerFilm(strip: Omit<LayerStrip, 'columns' | 'title'>): string {
  const { width = 224 } = strip;
  const maps = layerMaps('layerFilm', { ...strip, width });
  const definitions = svgFragment({ width: 0, height: 0, body: pictureDefinitions([strip]) }, 'The picture');
  return definitions + filmHtml(maps, width);
}

/** The style rules of films. */
export function filmCss(): string {
  return [
    '.film{overflow:hidden;width:var(--width);max-width:100%}',
    '.film>div{display:flex;width:calc(var(--frames)*var(--width));animation:film calc(var(--frames)*.9s) steps(var(--frames)) infinite}',
    '.film svg{flex:none;width:var(--width);height:auto;max-width:none!important}',
    '.film:hover>div,.film:focus-visible>div{animation-play-state:paused}',
    '@keyframes film{to{transform:translateX(-100%)}}',
    '@media (prefers-reduced-motion:reduce),print{.film>div{animation:none}.film{overflow:auto}}',
  ].join('\n');
}
