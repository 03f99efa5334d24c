import { PALETTE } from '../color.js';
import { tokenStripCss } from '../levels.js';
import { filmCss } from '../image/film.js';
import { pictureLegendCss } from '../legend.js';

function variables(scheme: 'light' | 'dark'): string {
  const { zero, ink, positive, negative, unsigned } = PALETTE[scheme];
  const page =
    scheme === 'light'
      ? '--page:#f7f6f3;--quiet:#59636e;--line:#dfe2e6;--track:#eceef0;--link:#0b57a8;--good:#1a6b3c;--poor:#8a5a00;--bad:#a3301f'
      : '--page:#14161a;--quiet:#a2aab4;--line:#363b44;--track:#2b3038;--link:#8fc1ff;--good:#74cf9b;--poor:#e3b968;--bad:#ff9d8a';
  return `${page};--sheet:${zero};--ink:${ink};--positive:${positive[1]};--negative:${negative[1]};--unsigned:${unsigned[1]}`;
}

const LAYOUT = `
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0 auto;padding:2.5rem clamp(1rem,4vw,3rem) 3rem;max-width:86rem;background:var(--page);color:var(--ink);font:1rem/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1,h2,h3,h4,h5{line-height:1.25;margin:0;text-wrap:balance}
h1,h2,h3{font-family:ui-serif,Georgia,"Times New Roman",serif;font-weight:600}
h1{font-size:clamp(1.7rem,4vw,2.4rem)}
h2{font-size:1.5rem;margin-bottom:1rem}
h3{font-size:1.3rem;margin:0 0 .6rem}
h4{font-size:1.05rem}
h5{font-size:.95rem;margin:1.4rem 0 .3rem}
p{margin:.4rem 0}
a{color:var(--link)}
small{font-size:.82em;font-weight:400;color:var(--quiet)}
.quiet,.model,footer{color:var(--quiet)}
.model{max-width:60ch}
header.page{margin-bottom:2rem}
main>section{margin-bottom:4rem}
main>section+section{border-top:1px solid var(--line);padding-top:2.5rem}
nav{margin-bottom:2.5rem}
nav h2{font-size:1.1rem;margin-bottom:.3rem}
nav ol{margin:0;padding-left:1.4rem}
.top{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:1.5rem 3rem;margin-bottom:2.5rem}
.source{margin:0;padding:1rem 1.2rem;max-height:27rem;overflow:auto;background:var(--sheet);border:1px solid var(--line);border-radius:.6rem;white-space:pre-wrap;overflow-wrap:anywhere}
.unread{opacity:.6}
.big{margin:0 0 .4rem;line-height:1.1;display:flex;flex-wrap:wrap;align-items:baseline;gap:0 .9rem}
.answer{font:600 clamp(2.2rem,6vw,3.2rem)/1.1 ui-serif,Georgia,"Times New Roman",serif;overflow-wrap:anywhere}
.probability{font-size:1.5rem;color:var(--quiet)}
.how,.glance{margin:1.2rem 0;max-width:72rem}
.how>div{margin:.35rem 0;max-width:75ch}
.glance>p{max-width:75ch}
.legend{display:inline-flex;align-items:center;gap:.5em;margin:.2rem .3rem .2rem 0;font-size:.85rem;color:var(--quiet);white-space:nowrap}
.legend-bar{border:1px solid var(--line);border-radius:.25rem;overflow:hidden}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,31rem),1fr));gap:1.5rem;align-items:start;margin-top:1.5rem}
.card{background:var(--sheet);border:1px solid var(--line);border-radius:.8rem;padding:1.2rem 1.4rem 1.4rem;min-width:0}
.card>header{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;gap:.2rem 1rem}
.variant{font-weight:400;font-size:.85em;color:var(--quiet);border:1px solid var(--line);border-radius:1em;padding:.05em .6em}
.badge{margin:0;font-size:.88rem;font-weight:600;white-space:nowrap;color:var(--quiet)}
.badge.found,.badge.slight{color:var(--good)}
.badge.chance{color:var(--poor)}
.badge.missed{color:var(--bad)}
.summary{margin:.3rem 0 .9rem}
.choice{accent-color:var(--link);margin:0 .35em 0 0}
.views>label{font-size:.88rem;margin-right:1rem;cursor:pointer}
.views>.view{display:none;margin-top:.6rem}
.choice-0:checked~.view-0,.choice-1:checked~.view-1,.choice-2:checked~.view-2{display:block}
.token-strip{max-height:30rem;overflow:auto;line-height:1.75}
table{border-collapse:collapse;width:100%;font-size:.92rem}
caption{text-align:left;color:var(--quiet);font-size:.88rem;padding-bottom:.2rem}
th{font-weight:400;text-align:left;padding:.16rem .7rem .16rem 0;overflow-wrap:anywhere}
td{padding:.16rem 0}
th small{display:block}
caption small{margin-left:.3em}
thead th{color:var(--quiet);font-size:.85rem}
.figure{text-align:right;white-space:nowrap;padding-right:.7rem;font-variant-numeric:tabular-nums}
.bars{width:45%}
.track{display:block;position:relative;height:.7rem;background:var(--track);border-radius:.2rem;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.track .bar{display:block;height:100%;min-width:1px;border-radius:.2rem;background:var(--quiet);-webkit-print-color-adjust:exact;print-color-adjust:exact}
.bar.positive{background:var(--positive)!important}
.answers .bar.target{background:var(--ink)}
.bar.negative{background:var(--negative)!important}
.bar.unsigned{background:var(--unsigned)!important}
.check-chart .bar.top{background:var(--ink)}
.check-chart .bar.original,.check-chart .bar.random,.check-chart .bar.lowest{opacity:.55}
.dot{position:absolute;top:50%;width:.5rem;height:.5rem;margin:-.25rem 0 0 -.25rem;border-radius:50%;background:var(--sheet);border:1.5px solid var(--ink)}
.answers .target th,.answers .target td{font-weight:600}
.answers{margin-top:.8rem}
.word-lists{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,13rem),1fr));gap:.8rem 1.6rem;margin-top:1rem}
.word-lists .bars{width:30%}
.word-lists table{align-self:start}
.glance td .badge{white-space:normal}
.glance .wide{overflow-x:auto}
.beside td,.beside th{vertical-align:top;padding-right:1.2rem}
.beside td .badge{display:block;margin-top:.3rem}
.beside table{width:auto}
.beside thead th{color:var(--ink);font-size:1rem;font-weight:600}
.beside small{font-size:.9em}
.model+.top{margin-top:1.2rem}
.glance table{max-width:54rem}
.glance th{overflow-wrap:break-word}
.glance thead th{white-space:nowrap;vertical-align:bottom}
.glance thead .figure{text-align:right}
.glance td+td:last-child,.glance thead th:last-child{padding-left:1rem}
.lead{font-size:1.1rem;max-width:62ch;margin-bottom:1rem}
.glance tbody tr{border-top:1px solid var(--line)}
.glance td,.glance th{padding-top:.35rem;padding-bottom:.35rem}
.certificate{margin:0;padding-left:1.1rem;font-size:.92rem}
details{margin-top:.7rem;font-size:.88rem}
summary{cursor:pointer;color:var(--link)}
dl{margin:.5rem 0}
dt{color:var(--quiet)}
dd{margin:0 0 .4rem;overflow-wrap:anywhere}
.paper{background:#fff;border-radius:.4rem;overflow-x:auto;margin-top:.5rem}
.paper svg{display:block;max-width:100%;height:auto}
.glossary dl{columns:26rem 3;column-gap:2.5rem}
.glossary dl>div{break-inside:avoid;margin-bottom:1rem}
.glossary dt{font-weight:600;color:var(--ink)}
.glossary dd{color:var(--quiet)}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
@media (max-width:46rem){.top{grid-template-columns:minmax(0,1fr)}.card{padding:1rem}body{padding-top:1.5rem}.glance .optional{display:none}}
@media print{body{background:#fff;max-width:none;padding:0}.token-strip,.source{max-height:none;overflow:visible}.cards{display:block}.card{margin-bottom:1.5rem;border-color:#999}header,tr,.word-lists,.check-chart{break-inside:avoid}}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
`;

/** What pages about pictures need besides. */
const PICTURES = `
.defined{position:absolute}
@media (min-width:46rem){.seen{grid-template-columns:minmax(0,22rem) minmax(0,1fr)}}
.overlay{margin:0}
.overlay svg{display:block;max-width:100%;height:auto}
.overlay text{fill:var(--quiet)}
.overlay rect:not(.minus):hover{stroke:#000;stroke-width:1.5}
figcaption{margin-top:.5rem;max-width:22rem}
.seen~.cards>.card{container-type:inline-size}
.looks{display:grid;grid-template-columns:minmax(0,15.5rem) minmax(0,1fr);gap:0 1.2rem;align-items:start}
@container (max-width:28rem){.looks{grid-template-columns:minmax(0,1fr)}}
.looks .legend{display:flex;flex-wrap:wrap;justify-content:space-between;gap:.15rem .4rem;margin:.5rem 0 0 1.1rem;max-width:19rem;font-size:.78rem}
.looks .legend-bar{order:-1;width:100%}
.looks .word-lists{grid-template-columns:minmax(0,1fr)}
.looks th{display:flex;align-items:center;gap:.5rem;white-space:nowrap;padding:.2rem .4rem .2rem 0}
.looks table{font-size:.88rem}
.looks .bars{width:auto;min-width:1.4rem}
.looks .views{display:grid;grid-template-columns:repeat(3,auto minmax(0,auto)) 1fr;align-items:center}
.looks .views>label{margin-right:.5rem;line-height:1.2}
.looks .views>.view{grid-column:1/-1}
.looks .figure{padding-right:.4rem}
.looks td{vertical-align:middle}
.crop{flex:none;border-radius:.2rem}
.crop .outer{stroke:#fff;stroke-width:3}
.crop .inner{stroke:#000;stroke-width:1.25}
.layers{list-style:none;margin:.5rem 0 0;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(7rem,1fr));gap:.8rem}
.layers svg{display:block;width:100%;height:auto;margin-bottom:.2rem}
.layers small{display:block}
.thumbnail{vertical-align:middle;margin:.15rem .6rem .15rem 0}
.film text{fill:var(--quiet)}
`;

/** The style rules of a report page; those of pictures only where there are some. */
export function pageStyle(pictures: boolean): string {
  return [
    `:root{color-scheme:light dark;${variables('light')}}`,
    `@media screen and (prefers-color-scheme:dark){:root{${variables('dark')}}}`,
    LAYOUT.trim(),
    tokenStripCss(),
    ...(pictures ? [PICTURES.trim(), pictureLegendCss(), filmCss()] : []),
  ].join('\n');
}
