import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '@hidden-attention/checkpoint';
import { curves } from '@hidden-attention/plot';
import type { Evaluation } from './objective.js';

/** One line of log.jsonl. */
export interface LogLine {
  step: number;
  /** of the batch, in nats */
  loss?: number;
  learningRate?: number;
  /** before clipping */
  gradientNorm?: number;
  tokensPerSecond?: number;
  evaluation?: Evaluation;
}

/** The log of a training, as JSON lines in `out`/log.jsonl, and the curve drawn from it. */
export class Log {
  readonly #out: string;
  readonly lines: LogLine[];

  private constructor(out: string, lines: LogLine[]) {
    this.#out = out;
    this.lines = lines;
  }

  /** Goes on with the log in `out` after step `step`; what was logged past it is dropped, for it comes again. */
  static async open(out: string, step: number): Promise<Log> {
    const path = join(out, 'log.jsonl');
    const text = step > 0 ? await readFile(path, 'utf8').catch(() => '') : '';
    const lines = text
      .split('\n')
      .map(parseLine)
      .filter((line) => line !== undefined && line.step <= step) as LogLine[];
    await writeFileAtomic(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return new Log(out, lines);
  }

  async add(line: LogLine): Promise<void> {
    this.lines.push(line);
    await appendFile(join(this.#out, 'log.jsonl'), `${JSON.stringify(line)}\n`);
  }

  /** Draws `out`/curve.svg. */
  async draw(): Promise<void> {
    if (this.lines.length > 0) await writeFileAtomic(join(this.#out, 'curve.svg'), lossCurve(this.lines));
  }
}

/** A killed process may leave half a line. */
function parseLine(text: string): LogLine | undefined {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}

/** The loss over the steps, as SVG: of training as the mean of neighbouring lines between their extremes, and of evaluations. */
export function lossCurve(lines: readonly LogLine[]): string {
  const steps = lines.filter((line) => line.loss !== undefined);
  const together = Math.ceil(steps.length / 150);
  const groups = Array.from({ length: Math.ceil(steps.length / together) }, (_, i) => steps.slice(i * together, (i + 1) * together));
  const training = {
    name: 'training',
    x: groups.map((group) => group.at(-1)!.step),
    y: groups.map((group) => group.reduce((total, { loss }) => total + loss!, 0) / group.length),
    low: groups.map((group) => Math.min(...group.map(({ loss }) => loss!))),
    high: groups.map((group) => Math.max(...group.map(({ loss }) => loss!))),
  };
  const evaluated = lines.filter((line) => line.evaluation !== undefined);
  const evaluation = { name: 'evaluation', x: evaluated.map(({ step }) => step), y: evaluated.map((line) => line.evaluation!.loss) };
  return curves({ series: [training, evaluation].filter(({ x }) => x.length > 0), xLabel: 'step', yLabel: 'loss (nats)' });
}
