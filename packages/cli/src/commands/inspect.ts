import Table from 'cli-table3';
import type { Command } from 'commander';
import { resolveModel } from '../models.js';

/** `inspect`: what a model is, how large, and what its views cost. */
export function addInspect(program: Command): void {
  program
    .command('inspect')
    .argument('<M>', 'a folder or file, zoo:NAME, or org/name of the hub')
    .description('Say what a model is: family, sizes, parameters, sites, number of attention maps, memory of each view.')
    .option('--json', 'as JSON')
    .option('--length <N>', 'the length for which memory is computed', '1024')
    .action(async (name: string, flags: { json?: boolean; length: string }) => {
      const loaded = await resolveModel(name, program.opts<{ device?: string }>().device);
      const { model, tokenizer, unused, warnings } = loaded;
      const { config } = model;
      const length = Number(flags.length) || 1024;
      const sizes = config as unknown as { innerSize?: number; stateSize?: number; heads?: number; convKernel?: number };
      const [inner, state] = [sizes.innerSize ?? 0, sizes.stateSize ?? 0];
      const channels = sizes.heads ?? inner; // matrices that the attention view has
      const report = {
        model: name,
        family: config.family,
        head: config.head.kind,
        layers: config.layers,
        hiddenSize: config.hiddenSize,
        innerSize: inner,
        stateSize: state,
        vocabSize: config.vocabSize,
        parameters: model.parameterCount,
        parameterBytes: model.parameterCount * 4,
        tokenizer: tokenizer?.kind ?? null,
        labels: config.head.kind === 'classifier' ? config.head.labels : undefined,
        // math.md: D·N inner attention matrices a layer (paper, section 3)
        attentionMaps: { perLayer: channels * state, total: channels * state * config.layers },
        memory: {
          length,
          state: 4 * config.layers * inner * (state + 3),
          attentionView: 4 * config.layers * length * (channels + 2 * state),
          oneRow: 4 * length * channels,
          oneMatrix: 4 * length * length,
        },
        parameterShapes: Object.fromEntries([...model.parameters].map(([key, tensor]) => [key, tensor.shape])),
        unused,
        warnings,
        sites: model.sites(),
      };
      if (flags.json) return void process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      const table = new Table({ style: { head: [], border: [] } });
      const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
      table.push(
        ['family', `${report.family}, ${report.head}`],
        ['layers', report.layers],
        ['hidden, inner, state size', `${report.hiddenSize}, ${inner}, ${state}`],
        ['vocabulary', `${report.vocabSize}${report.tokenizer ? `, tokenizer: ${report.tokenizer}` : ', no tokenizer'}`],
        [
          'parameters',
          `${report.parameters.toLocaleString('en')} in ${model.parameters.size} tensors, ${mebibytes(report.parameterBytes)} as f32`,
        ],
        [
          'attention maps',
          `${report.attentionMaps.perLayer.toLocaleString('en')} a layer (D·N), ${report.attentionMaps.total.toLocaleString('en')} in all`,
        ],
        ['state of one sequence', mebibytes(report.memory.state)],
        [`attention view, L = ${length}`, mebibytes(report.memory.attentionView)],
        ['  one row, all channels', mebibytes(report.memory.oneRow)],
        ['  one matrix', mebibytes(report.memory.oneMatrix)],
      );
      if (report.labels) table.push(['labels', report.labels.join(', ')]);
      if (unused.length > 0) table.push(['unused tensors in the file', unused.join('\n')]);
      process.stdout.write(`${table.toString()}\n`);
    });
}
