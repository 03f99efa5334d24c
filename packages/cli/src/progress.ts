import { Presets, SingleBar } from 'cli-progress';

/** Reports how far a long piece of work is. */
export interface Progress {
  update(done: number, total: number, note?: string): void;
  stop(): void;
}

/** A bar on standard error, drawn only in a terminal and only once the work has taken two seconds. */
export function progressBar(what: string): Progress {
  const started = Date.now();
  let bar: SingleBar | undefined;
  return {
    update(done, total, note = '') {
      if (!process.stderr.isTTY) return;
      if (!bar && Date.now() - started > 2000) {
        bar = new SingleBar(
          { stream: process.stderr, format: `${what} {bar} {percentage}% {note} {eta_formatted} left`, etaBuffer: 50, hideCursor: true },
          Presets.shades_classic,
        );
        bar.start(total, done, { note });
      }
      bar?.update(done, { note });
    },
    stop() {
      bar?.stop();
    },
  };
}
