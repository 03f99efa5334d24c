import { attentionView, smallestBatch } from '@hidden-attention/attention';
import {
  disposeBatch,
  disposeState,
  heldAs,
  shapeOfBatch,
  tensorsOf,
  type LayerKind,
  type Model,
  type ScanDynamics,
  type SoftmaxDynamics,
  type TwoWay,
  type VisionConfig,
} from '@hidden-attention/model';
import { groupSize, scope, Tensor } from '@hidden-attention/tensor';
import Table from 'cli-table3';
import type { Command } from 'commander';
import { resolveModel } from '../models.js';
import { dtypeOption, type ModelFlags } from '../options.js';

/** `inspect`: what a model is, how large, and what its views cost. */
export function addInspect(program: Command): void {
  program
    .command('inspect')
    .argument('<M>', 'a folder or file, zoo:NAME, or org/name of the hub')
    .description('Say what a model is: family, sizes, parameters, sites, number of attention maps, memory of each view.')
    .addOption(dtypeOption())
    .option('--json', 'as JSON')
    .option('--length <N>', 'the length for which memory is computed (default: 1024, of images their own)')
    .action(async (name: string, flags: Pick<ModelFlags, 'dtype'> & { json?: boolean; length?: string }) => {
      const loaded = await resolveModel(name, program.opts<{ device?: string }>().device, flags.dtype);
      const { model, tokenizer, unused, warnings } = loaded;
      const { config } = model;
      const length = Number(flags.length ?? (model.family.images ? shapeOfBatch(smallestBatch(model))[1] : 1024)) || 1024;
      const { innerSize: inner, stateSize: state } = config as unknown as { innerSize?: number; stateSize?: number };
      const layers = await layerFacts(model);
      const maps = layers.map(({ channels, states }) => channels * states);
      const channels = Math.max(...layers.map((layer) => layer.channels));
      const bytes = (each: (layer: LayerFacts) => number): number => 4 * layers.reduce((sum, layer) => sum + each(layer), 0);
      const report = {
        model: name,
        family: config.family,
        head: config.head.kind,
        layers: config.layers,
        hiddenSize: config.hiddenSize,
        innerSize: inner ?? null,
        stateSize: state ?? null,
        vocabSize: config.vocabSize,
        parameters: model.parameterCount,
        parameterBytes: model.parameterBytes,
        parameterTypes: typesOf(model),
        keptInF32: flags.dtype === 'int8' ? keptInF32(model) : [],
        tokenizer: tokenizer?.kind ?? null,
        labels: config.head.kind === 'classifier' ? config.head.labels : undefined,
        // math.md: D·N inner attention matrices a scan (paper, section 3), one a head of softmax attention
        attentionMaps: { perLayer: Math.max(...maps), total: maps.reduce((sum, count) => sum + count, 0) },
        layerKinds: layers.map(({ kind }) => kind),
        memory: {
          length,
          state: bytes(({ kind, carried }) => carried * (kind === 'softmax' ? length : 1)),
          attentionView: bytes(({ dynamics }) => dynamics * length),
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
        ['layers', `${report.layers}${counted(report.layerKinds)}`],
        ['hidden, inner, state size', [report.hiddenSize, inner, state].filter((size) => size !== undefined).join(', ')],
        model.family.images
          ? ['images', imagesOf(config as VisionConfig)]
          : ['vocabulary', `${report.vocabSize}${report.tokenizer ? `, tokenizer: ${report.tokenizer}` : ', no tokenizer'}`],
        [
          'parameters',
          `${report.parameters.toLocaleString('en')} in ${model.parameters.size} tensors, ${mebibytes(report.parameterBytes)} as ` +
            Object.keys(report.parameterTypes).join(' and '),
        ],
        [
          'attention maps',
          `${report.attentionMaps.perLayer.toLocaleString('en')} a layer${report.layerKinds.includes('scan') ? ' (D·N)' : ''}, ${report.attentionMaps.total.toLocaleString('en')} in all`,
        ],
        [`state of one sequence${report.layerKinds.includes('softmax') ? `, L = ${length}` : ''}`, mebibytes(report.memory.state)],
        [`attention view, L = ${length}`, mebibytes(report.memory.attentionView)],
        ['  one row, all channels', mebibytes(report.memory.oneRow)],
        ['  one matrix', mebibytes(report.memory.oneMatrix)],
      );
      if (report.labels) table.push(['labels', report.labels.join(', ')]);
      if (report.keptInF32.length > 0) table.push([`in f32, rows no multiple of ${groupSize}`, report.keptInF32.join('\n')]);
      if (unused.length > 0) table.push(['unused tensors in the file', unused.join('\n')]);
      process.stdout.write(`${table.toString()}\n`);
    });
}

/** Numbers held in each type, and the bytes that they take. */
function typesOf({ parameters }: Model): Record<string, { numbers: number; bytes: number }> {
  const types: Record<string, { numbers: number; bytes: number }> = {};
  for (const { dtype, size, bytes } of parameters.values()) {
    const type = (types[dtype === 'i8' ? 'int8' : dtype] ??= { numbers: 0, bytes: 0 });
    type.numbers += size;
    type.bytes += bytes;
  }
  return types;
}

/** Weights of linear layers that cannot be held in int8; `*` stands for each layer. */
function keptInF32({ family, config }: Model): string[] {
  const kept = Object.entries(family.parameters(config)).filter(([, spec]) => spec.linear && heldAs(spec, 'int8') === 'f32');
  return [...new Set(kept.map(([name]) => name.replace(/\.\d+\./, '.*.')))];
}

/** What the smallest input shows of a layer. */
interface LayerFacts {
  kind: LayerKind;
  /** matrices that the attention view has, and states behind each */
  channels: number;
  states: number;
  /** numbers that a view keeps a position */
  dynamics: number;
  /** numbers of the state: of a scan whatever the length, of softmax attention a position */
  carried: number;
}

async function layerFacts(model: Model): Promise<LayerFacts[]> {
  const batch = smallestBatch(model);
  const [, positions] = shapeOfBatch(batch);
  using view = await attentionView(model, batch);
  const { state } = scope(() => model.forward(batch, { logits: 'none' }));
  const facts = state.layers.map((carried, index): LayerFacts => {
    const { kind, shape, dynamics } = view.layer(index);
    const ways = kind === 'two-way scan' ? Object.values(dynamics as TwoWay<ScanDynamics>) : [dynamics as ScanDynamics | SoftmaxDynamics];
    const states = ways.reduce((sum, way) => sum + ('A' in way ? way.A.shape[1]! : 1), 0);
    const kept = ways.reduce((sum, way) => sum + numbersIn({ ...way, A: undefined }), 0);
    return { kind, channels: shape[2], states, dynamics: kept / positions, carried: numbersIn(tensorsOf(carried)) };
  });
  disposeState(state);
  disposeBatch(batch);
  return facts;
}

const numbersIn = (values: Record<string, unknown>): number =>
  Object.values(values).reduce<number>((sum, value) => sum + (value instanceof Tensor ? value.size : 0), 0);

/** "3 × 28 × 28, patches of 4" */
const imagesOf = ({ channels, imageSize, patchSize, stride }: VisionConfig): string =>
  `${[channels, ...imageSize].join(' × ')}, patches of ${patchSize}${stride === patchSize ? '' : `, ${stride} apart`}`;

/** ": 28 scan, 4 softmax" of a hybrid. */
function counted(kinds: readonly LayerKind[]): string {
  const all = [...new Set(kinds)].map((kind) => `${kinds.filter((own) => own === kind).length} ${kind}`);
  return all.length > 1 || kinds[0] === 'softmax' ? `: ${all.join(', ')}` : '';
}
