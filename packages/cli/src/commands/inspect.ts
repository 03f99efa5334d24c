import { attentionView, smallestBatch } from '@hidden-attention/attention';
import { describeModel, type FileFacts, type ModelDescription } from '@hidden-attention/checkpoint';
import {
  disposeBatch,
  disposeState,
  heldAs,
  inEightBits,
  shapeOfBatch,
  tensorsOf,
  type LayerKind,
  type Model,
  type ScanDynamics,
  type SoftmaxDynamics,
  type TwoWay,
  type VisionConfig,
} from '@hidden-attention/model';
import { formatShape, groupSize, scope, Tensor } from '@hidden-attention/tensor';
import type { Command } from 'commander';
import { pathOfModel, resolveModel } from '../models.js';
import { dtypeOption, type ModelFlags } from '../options.js';
import { newTable } from '../terminal.js';

/** `inspect`: what a model is, how large, and what its views cost. */
export function add(command: Command, program: Command): void {
  command
    .argument('<M>', 'a folder or file, zoo:NAME, or org/name of the hub')
    .addOption(dtypeOption())
    .option('--json', 'as JSON')
    .option('--length <N>', 'the length for which memory is computed (default: 1024, of images their own)')
    .action(async (name: string, flags: Pick<ModelFlags, 'dtype'> & { json?: boolean; length?: string }) => {
      const found = await describeModel(await pathOfModel(name));
      if (found.missing.length + found.wrong.length > 0) return reportProblems(name, found, flags.json ?? false);
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
        files: found.files,
        storedTypes: found.storedTypes,
        missing: found.missing,
        wrong: found.wrong,
        head: config.head.kind,
        layers: config.layers,
        hiddenSize: config.hiddenSize,
        innerSize: inner ?? null,
        stateSize: state ?? null,
        vocabSize: config.vocabSize,
        parameters: model.parameterCount,
        parameterBytes: model.parameterBytes,
        parameterTypes: typesOf(model),
        keptInF32: inEightBits(flags.dtype) ? keptInF32(model) : [],
        tokenizer: tokenizer?.kind ?? null,
        labels: config.head.kind === 'classifier' ? config.head.labels : undefined,
        // math.md: D·N inner attention matrices a scan (paper, section 3), one a head of softmax attention
        attentionMaps: { perLayer: Math.max(...maps), total: maps.reduce((sum, count) => sum + count, 0) },
        layerKinds: layers.map(({ kind }) => kind),
        memory: {
          length,
          forward: forwardBytes(model, length),
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
      const table = newTable();
      const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
      table.push(
        ['family', `${report.family}, ${report.head}`],
        ['files', filesOf(found)],
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
        [`forward pass, L = ${length}`, mebibytes(report.memory.forward)],
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
      table.push(['unused tensors in the file', unused.join('\n') || 'none'], ['missing', 'none']);
      process.stdout.write(`${table.toString()}\n`);
    });
}

/** Of a model that cannot be loaded: what it would be, and what keeps it from being that. Exit status 1. */
function reportProblems(name: string, found: ModelDescription, json: boolean): void {
  process.exitCode = 1;
  const { family, files, parameters, storedTypes, missing, wrong, unused } = found;
  if (json)
    return void process.stdout.write(
      `${JSON.stringify({ model: name, family, files, parameters, storedTypes, missing, wrong, unused }, null, 2)}\n`,
    );
  const table = newTable();
  table.push(
    ['family', family],
    ['files', filesOf(found)],
    ['parameters', `${parameters.toLocaleString('en')} by config.json`],
    ['missing', missing.map(({ name, shape }) => `${name} ${formatShape(shape)}`).join('\n') || 'none'],
    ['misshapen', wrong.join('\n') || 'none'],
    ['unused tensors in the file', unused.join('\n') || 'none'],
  );
  process.stdout.write(`${table.toString()}\n`);
  process.stderr.write(`hidden-attention: ${name} cannot be loaded: ${missing.length} parameters are missing, ${wrong.length} misshapen\n`);
}

/** "2 files of safetensors, 52.1 MiB: 24,000 numbers in F16, 64 in F32" */
function filesOf({ files, storedTypes }: ModelDescription): string {
  const [{ name, format }] = files as [FileFacts, ...FileFacts[]];
  const size = files.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20;
  const types = Object.entries(storedTypes).sort(([, a], [, b]) => b - a);
  return `${files.length === 1 ? name : `${files.length} files`}, ${format}, ${size.toFixed(2)} MiB: ${types
    .map(([type, count]) => `${count.toLocaleString('en')} numbers in ${type}`)
    .join(', ')}`;
}

/** Positions of the passes in which a forward's memory is measured. */
const measured = [16, 48] as const;

/** Bytes that a forward pass over one row of so many positions takes beside the weights, by what two short ones take. */
function forwardBytes(model: Model, length: number): number {
  const peakOf = (positions: number): number => {
    const { live } = model.device.memory({ resetPeak: true });
    const batch = model.family.images ? smallestBatch(model) : model.batch([new Int32Array(positions)]);
    disposeState(scope(() => model.forward(batch).state));
    disposeBatch(batch);
    return model.device.memory().peak - live;
  };
  if (model.family.images) return peakOf(0);
  const most = model.config.maxPositions ?? Infinity;
  const [short, long] = measured.map((positions) => peakOf(Math.min(positions, most))) as [number, number];
  const slope = (long - short) / (measured[1] - measured[0]);
  return Math.round(short + slope * (length - measured[0]));
}

/** Numbers held in each type, and the bytes that they take. */
function typesOf({ parameters }: Model): Record<string, { numbers: number; bytes: number }> {
  const types: Record<string, { numbers: number; bytes: number }> = {};
  for (const { dtype, roundsActivations, size, bytes } of parameters.values()) {
    const type = (types[dtype !== 'i8' ? dtype : roundsActivations ? 'w8a8' : 'int8'] ??= { numbers: 0, bytes: 0 });
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
