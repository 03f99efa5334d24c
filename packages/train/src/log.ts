import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { curves } from '@hidden-attention/plot';
import type { Evaluation } from './objective.js';

/** One line of log.jsonl. */
export interface LogLine {
  step: number;
  loss?: number;
  learningRate?: number;
  gradientNorm?: number;
  tokensPerSecond?: number;
  evaluation?: Evaluation;
}

/** The log of a training, JSON lines. On resume, lines past the checkpoint are dropped. */
export class Log {
  readonly #path: string;
  readonly lines: LogLine[] = [];

  private constructor(path: string) {
    this.#path = path;
  }

  static async open(out: string, step: number): Promise<Log> {
    const log = new Log(join(out, 'log.jsonl'));
    if (step > 0) {
      const text = await readFile(log.#path, 'utf8').catch(() => '');
      for (const line of text.split('\n').filter(Boolean)) {
        const parsed = JSON.parse(line) as LogLine;
        if (parsed.step <= step) log.lines.push(parsed);
      }
    }
    await writeFile(log.#path, log.lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return log;
  }

  async add(line: LogLine): Promise<void> {
    this.lines.push(line);
    await appendFile(this.#path, `${JSON.stringify(line)}\n`);
  }

  /** The loss over the steps, in training and in evaluation, as SVG. */
  curve(): string {
    const training = this.lines.filter((line) => line.loss !== undefined);
    const evaluated = this.lines.filter((line) => line.evaluation !== undefined);
    const series = [
      { name: 'training', x: training.map((line) => line.step), y: training.map((line) => line.loss!) },
      { name: 'evaluation', x: evaluated.map((line) => line.step), y: evaluated.map((line) => line.evaluation!.loss) },
    ];
    return curves({ series: series.filter(({ x }) => x.length > 0), xLabel: 'step', yLabel: 'loss (nats)' });
  }
}
