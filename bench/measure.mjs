// Runs of several programs in turn, and what is made of their times.

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};
const summary = (times) => ({ min: Math.min(...times), median: median(times), runs: times.length });

/**
 * Runs each program once to warm up and then in turn, A B C A B C …, until each has `rounds` runs or has taken `seconds`; a program whose
 * first run alone takes so long is not run again. Undefined programs (a peer that is not here) are left out, those that fail too, with a word.
 * @param programs by name: () => {ms, …}
 * @returns by name: {min, median, runs} in ms, and the other numbers of its last run
 */
export async function inTurn(programs, { rounds, seconds }) {
  const alive = new Map(
    Object.entries(programs)
      .filter(([, run]) => run)
      .map(([name, run]) => [name, { run, times: [], spent: 0 }]),
  );
  for (let round = 0; round <= rounds; round++)
    for (const [name, state] of alive) {
      if (round > 0 && state.spent > 1e3 * seconds) continue;
      try {
        state.last = await state.run();
      } catch (error) {
        console.error(`  ${name} left out: ${String(error.message).split('\n')[0]}`);
        alive.delete(name);
        continue;
      }
      state.spent += state.last.ms;
      if (round > 0 || state.last.ms > 1e3 * seconds) state.times.push(state.last.ms);
    }
  return Object.fromEntries([...alive].map(([name, { times, last }]) => [name, { ...last, ...summary(times) }]));
}

/** The rows of several runs of native_bench as one. */
export function merged(runs) {
  const rows = {};
  for (const name of Object.keys(runs[0].rows)) {
    const own = runs.map((run) => run.rows[name]);
    const times = own.flatMap(({ ms }) => ms ?? []);
    rows[name] =
      times.length > 0
        ? { what: own[0].what, ...summary(times) }
        : { what: own[0].what, value: Math.max(...own.map(({ value }) => value)) };
  }
  return rows;
}

/**
 * The rows of several runs of a line as one row each: that of the middle ratio (without one: of the middle time), with what all runs gave.
 * Runs that failed do not count, unless all did.
 */
export function middle(runs) {
  const whole = runs.filter((rows) => !rows.error);
  if (whole.length < 2) return whole[0] ?? runs[0];
  const judged = ({ value, ours }) => value ?? ours?.min ?? NaN;
  return whole[0].map((_, i) => {
    const own = whole.map((rows) => rows[i]).sort((a, b) => judged(a) - judged(b));
    return { ...own[(own.length - 1) >> 1], runs: own.map(({ value, ours, peer }) => ({ value, ours, peer })) };
  });
}

/** Exponent of the least-squares fit time ~ length^exponent. */
export function exponentOf(points) {
  const xs = points.map(([length]) => Math.log(length));
  const ys = points.map(([, ms]) => Math.log(ms));
  const mean = (values) => values.reduce((a, b) => a + b) / values.length;
  const [x, y] = [mean(xs), mean(ys)];
  return xs.reduce((total, value, i) => total + (value - x) * (ys[i] - y), 0) / xs.reduce((total, value) => total + (value - x) ** 2, 0);
}
