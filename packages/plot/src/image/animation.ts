import { sha256 } from '../builtins.js';
import { PALETTE } from '../color.js';
import { svgFragment } from '../drawing.js';
import { legendHtml, pictureLegendCss } from '../legend.js';
import { element, escapeText } from '../markup.js';
import { heatImage } from './heat.js';
import { layerMaps, type LayerMap, type LayerStrip } from './layers.js';
import { described, scaleOf, shares } from './patches.js';
import { pictureDefinitions, pictureDrawing } from './picture.js';

export type LayerAnimation = Omit<LayerStrip, 'columns'>;

/** Shows one layer at a time. Everything it needs is in the page: a figure a layer, a button, a slider. */
const SCRIPT = `
const frames = [...document.querySelectorAll('.frame')];
const [button, slider] = [document.querySelector('button'), document.querySelector('input')];
const [name, reach] = [document.querySelector('.name'), document.querySelector('.reach')];
const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
let timer;
function show(layer) {
  frames.forEach((frame, at) => frame.classList.toggle('shown', at === layer));
  const { title, scale, spoken } = frames[layer].dataset;
  slider.value = layer;
  slider.setAttribute('aria-valuetext', title);
  name.textContent = title;
  reach.textContent = scale;
  document.querySelector('.stage svg').setAttribute('aria-label', title + '. ' + spoken);
}
function play(on) {
  clearInterval(timer);
  timer = on ? setInterval(() => show((Number(slider.value) + 1) % frames.length), calm ? 1600 : 900) : undefined;
  button.textContent = on ? 'Pause' : 'Play';
}
button.addEventListener('click', () => play(timer === undefined));
slider.addEventListener('input', () => { play(false); show(Number(slider.value)); });
document.body.classList.add('ready');
show(0);
play(!calm && frames.length > 1);
`;

function variables(scheme: 'light' | 'dark'): string {
  const { zero, ink } = PALETTE[scheme];
  const rest =
    scheme === 'light'
      ? '--page:#f7f6f3;--quiet:#59636e;--line:#dfe2e6;--link:#0b57a8'
      : '--page:#14161a;--quiet:#a2aab4;--line:#363b44;--link:#8fc1ff';
  return `${rest};--sheet:${zero};--ink:${ink}`;
}

const STYLE = `:root{color-scheme:light dark;${variables('light')}}
@media screen and (prefers-color-scheme:dark){:root{${variables('dark')}}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 2rem;max-width:34rem;background:var(--page);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font:600 1.35rem/1.25 ui-serif,Georgia,"Times New Roman",serif;margin:0 0 1rem;text-wrap:balance}
figure{margin:0}
.stage svg{display:block;width:100%;height:auto;max-height:70vh}
.frame{opacity:0;transition:opacity .3s}
.frame.shown{opacity:1}
.caption{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;gap:0 1rem;margin:.7rem 0 .5rem}
.name{font-weight:600;font-size:1.1rem}
.reach,.legend,noscript{color:var(--quiet);font-size:.9rem}
.controls{display:none;align-items:center;gap:.9rem}
.ready .controls{display:flex}
button{font:inherit;min-width:5.2rem;padding:.35rem .9rem;color:var(--ink);background:var(--sheet);border:1px solid var(--quiet);border-radius:.5rem;cursor:pointer}
input{flex:1;min-width:0;height:1.8rem;accent-color:var(--link)}
.legend{display:flex;align-items:center;gap:.5em;margin:1rem 0 0}
.legend-bar{display:inline-flex;border:1px solid var(--line);border-radius:.25rem}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
@media (prefers-reduced-motion:reduce){.frame{transition:none}}
@media print{.controls{display:none!important}}
`;

function frame(map: LayerMap, height: number, width: number, first: boolean): string {
  const values = shares(map.scores, scaleOf('layerAnimation', map));
  const image = heatImage(values, map.grid, map.signed, map.view ?? 'patches', width, height);
  const words = { 'data-title': map.title, 'data-scale': map.reach, 'data-spoken': described(map) };
  return element('g', { class: first ? 'frame shown' : 'frame', ...words }, image);
}

/**
 * A self-contained HTML page that steps through the layers of a map: play and pause, a slider, the keys of both. It loads nothing and runs
 * only its own script. It begins to play by itself, but not where the reader asked for less motion; without scripts it shows the first layer.
 * Each layer has its own scale unless there is a `limit`.
 * @throws RangeError as `layerStrip` does.
 */
export function layerAnimation(animation: LayerAnimation): string {
  const { picture, grid, signed, limit, title = 'Layer by layer', width = 480 } = animation;
  const maps = layerMaps('layerAnimation', { ...animation, width });
  const below = pictureDrawing(picture, grid, width, true);
  const frames = maps.map((map, layer) => frame(map, below.height, width, layer === 0));
  const first = maps[0]!;
  const stage = svgFragment(
    { ...below, body: pictureDefinitions([animation]) + below.body + frames.join('') },
    `${first.title}. ${described(first)}`,
  );
  const slider = { type: 'range', min: 0, max: maps.length - 1, step: 1, value: 0, 'aria-label': 'Layer', 'aria-valuetext': first.title };
  const legend = legendHtml({
    signed,
    over: 'picture',
    limit: 1,
    ends: limit === undefined ? [signed ? 'most negative' : 'least', 'most of its layer'] : [signed ? 'negative' : 'least', 'most'],
  });
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-${sha256(SCRIPT, 'base64')}'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeText(title)}</title>
<style>${STYLE}${pictureLegendCss()}</style>
</head>
<body>
<main>
<h1>${escapeText(title)}</h1>
<figure>
<div class="stage">${stage}</div>
<figcaption class="caption"><span class="name">${escapeText(first.title)}</span> <span class="reach">${escapeText(first.reach)}</span></figcaption>
</figure>
<div class="controls">
<button type="button">Play</button>
${element('input', slider)}
</div>
${legend}
<noscript>This page needs its script to show the other layers.</noscript>
</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
