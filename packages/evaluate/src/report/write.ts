import { join } from 'node:path';
import type { EvaluationReport } from '@hidden-attention/plot';
import { EvaluateError } from '../errors.js';
import type { Plan } from '../sweep/plan.js';
import type { Row } from '../sweep/rows.js';
import type { Sweep } from '../sweep/schema.js';
import { examplesOf } from './examples.js';
import { summarizeSweep } from './summary.js';

/** Writes what a sweep found: report.html, leaderboard.html, leaderboard.md and summary.json. Figures of rows that are missing are left out. */
export async function writeReport(sweep: Sweep, plan: Plan, rows: readonly Row[], folder: string): Promise<EvaluationReport> {
  const { writeFileAtomic } = await import('@hidden-attention/checkpoint');
  const { evaluationReport, leaderboardMarkdown, leaderboardPage } = await import('@hidden-attention/plot');
  const summary = summarizeSweep(sweep, plan, rows);
  const report = { ...summary, examples: await examplesOf(plan, summary.tables) };
  await plan.close();
  const { examples: _, ...figures } = report;
  for (const [name, content] of [
    ['report.html', evaluationReport(report)],
    ['leaderboard.html', leaderboardPage(report)],
    ['leaderboard.md', leaderboardMarkdown(report)],
    ['summary.json', `${JSON.stringify(figures, null, 1)}\n`],
  ] as const) {
    const path = join(folder, name);
    try {
      await writeFileAtomic(path, content);
    } catch (error) {
      throw new EvaluateError(`${(error as Error).message}. The results are whole: the same command then writes what is missing`, {
        cause: error,
      });
    }
  }
  return report;
}
