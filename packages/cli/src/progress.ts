import type { SingleBar } from 'cli-progress';
import { bars } from './terminal.js';

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
        const { Presets, SingleBar: Bar } = bars();
        bar = new Bar(
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

/** hours, minutes and seconds: 01:02:03 */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
}

/** A bar in a terminal; elsewhere a line every twenty seconds. */
export function linesOfProgress<T>(textOf: (progress: T) => { done: number; total: number; text: string }): {
  update(progress: T): void;
  stop(): void;
} {
  let bar: SingleBar | undefined;
  let last = Date.now();
  return {
    update(progress) {
      const { done, total, text } = textOf(progress);
      if (process.stderr.isTTY) {
        if (!bar) {
          const { Presets, SingleBar: Bar } = bars();
          bar = new Bar({ stream: process.stderr, format: '{bar} {text}', hideCursor: true }, Presets.shades_classic);
          bar.start(total, done, { text });
        }
        bar.update(done, { text });
      } else if (Date.now() - last > 20_000) {
        last = Date.now();
        process.stderr.write(`${text}\n`);
      }
    },
    stop() {
      bar?.stop();
    },
  };
}
