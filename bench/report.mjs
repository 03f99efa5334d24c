// Rows as a table in Markdown.
const ms = (times) => (times ? `${digits(times.min)} / ${digits(times.median)}` : '');
function digits(value) {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
const titles = {
  machine: "The machine's limits",
  scan: 'The fused scan',
  mamba2: 'The scan of Mamba-2',
  block: 'Training: one block',
  prefill: 'Reading a prompt',
  decode: 'Decoding',
  matrices: 'Attention as matrices',
  products: 'Matrix products',
  rollout: 'Rollout of long texts',
  growth: 'Growth with the length',
  startUp: 'Start-up',
};

function judged({ value, aim, unit = '', sign, runs = [] }) {
  if (value === undefined) return ['not measured', aim === undefined ? '' : `${sign} ${aim.toLocaleString('en')}`];
  const text = `${digits(value)}${unit}`;
  const spread = runs.length > 1 ? `, ${digits(runs[0].value)}–${digits(runs.at(-1).value)}` : '';
  if (aim === undefined) return [`${text}${spread}`, ''];
  const met = sign === '≥' ? value >= aim : value <= aim;
  return [`${met ? `**${text}**` : `${text} (missed)`}${spread}`, `${sign} ${aim.toLocaleString('en')}${unit}`];
}

/** What a row says for people: rates where it is about tokens. */
function remarks({ perSecond, ours, peer, note }) {
  const rate = (times) => digits((perSecond / times.min) * 1e3);
  const rates = perSecond && ours ? [`${rate(ours)} tokens/s${peer ? ` against ${rate(peer)}` : ''}`] : [];
  return [...rates, ...(note ? [note] : [])].join('; ');
}

/** @param result what main.mjs measured */
export function markdown({ about, again = [], sections }) {
  const parts = [
    `Measured ${about.date} by \`${about.command}\`: ${about.processor}, ${about.threads} threads, ${about.system}, Node ${about.node}, instruction-set level ${about.level}.`,
    `Peers: ${about.peers.join(', ') || 'none were here'}. Times are milliseconds, the least and the median; a ratio is of the least ones${about.runs > 1 ? `: of ${about.runs} whole runs the middle one, with the least and the largest behind it` : ''}. Load of the machine at the start: ${about.load}.`,
    ...again.map(
      (run) =>
        `Measured again ${run.date} by \`${run.command}\` (${run.processor}, load ${run.load}): ${run.lines.map((name) => titles[name]).join(', ')}.`,
    ),
  ];
  for (const [name, rows] of Object.entries(sections)) {
    if (rows.error) {
      parts.push(`## ${titles[name]}\n\nNot measured: ${rows.error}`);
      continue;
    }
    const body = rows.map((row) => {
      const [value, aim] = judged(row);
      const judgedTimes = row.value !== undefined || row.aim !== undefined;
      return [row.work, ms(row.ours), row.peer ? `${row.peer.who}: ${ms(row.peer)}` : '', judgedTimes ? value : '', aim, remarks(row)];
    });
    const header = ['', 'ours, ms', 'beside', 'ratio', 'aim', ''];
    const used = header.map((_, column) => column === 0 || body.some((cells) => cells[column]));
    const line = (cells) => `| ${cells.filter((_, column) => used[column]).join(' | ')} |`;
    const rule = header.map((_, column) => (column === 0 || column === 5 || column === 2 ? '---' : '--:'));
    parts.push(`## ${titles[name]}\n\n${[header, rule, ...body].map(line).join('\n')}`);
  }
  return `${parts.join('\n\n')}\n`;
}
