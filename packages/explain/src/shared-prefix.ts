import {
  disposeBatch,
  disposeState,
  joinRows,
  layerKindsOf,
  selectRows,
  tensorsOf,
  type Model,
  type ModelState,
} from '@hidden-attention/model';
import { scope } from '@hidden-attention/tensor';
import { positionsAtOnce } from './answer.js';

/** Ids that are read together before it is looked where texts part. */
const blockSize = 32;

/** Bytes of states that are held at once. */
const stateBytes = 2 ** 28;

/** Texts that begin alike, as far as they have been read. */
interface Node {
  texts: number[];
  /** row of the level's state */
  row: number;
  depth: number;
  /** of a classifier that pools by mean: Σ of its pieces' logits times their lengths */
  sum?: Float64Array;
}

/** A piece that a node reads next, for the texts that have it in common. */
interface Step {
  texts: number[];
  parent: Node;
  end: number;
}

/**
 * The logits of the answers of texts that are much alike: variants of one text, of which something was taken out or replaced. What
 * several begin with is read once, and its state forked where they part, block by block; from there on each is read to its end. For
 * variants that differ from the text at one place each this is half the work. Same results as `answers`, within rounding.
 * @param texts none empty
 */
export async function answersOfVariants(model: Model, texts: readonly Int32Array[]): Promise<Float32Array[]> {
  const results = new Array<Float32Array>(texts.length);
  const order = [...texts.keys()].toSorted((a, b) => compare(texts[a]!, texts[b]!));
  const some = Math.max(1, Math.floor(stateBytes / bytesOfState(model, Math.max(...texts.map(({ length }) => length)))));
  for (let start = 0; start < order.length; start += some) await readTogether(model, texts, order.slice(start, start + some), results);
  return results;
}

function compare(a: Int32Array, b: Int32Array): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return a.length - b.length;
}

function bytesOfState(model: Model, length: number): number {
  const { hiddenSize } = model.config;
  const caches = layerKindsOf(model).filter((kind) => kind === 'softmax').length * 8 * length * hiddenSize;
  const state = model.initialState(1);
  const numbers = state.layers.flatMap((layer) => Object.values(tensorsOf(layer))).reduce((sum, { size }) => sum + size, 0);
  disposeState(state);
  return 4 * numbers + caches;
}

/** Reads some texts, level by level, and fills in their answers. */
async function readTogether(model: Model, texts: readonly Int32Array[], chosen: readonly number[], results: Float32Array[]): Promise<void> {
  let level: Node[] = [{ texts: [...chosen], row: 0, depth: 0 }];
  let states: ModelState | undefined; // none: the beginning
  while (level.length > 0) {
    const steps = level.flatMap((node) => stepsOf(node, texts));
    const next: Node[] = [];
    const nextStates: ModelState[] = [];
    for (const batch of batchesOf(steps)) {
      const { logits, state } = await readBatch(model, batch, texts, states);
      const goOn: number[] = [];
      for (const [row, step] of batch.entries()) {
        const node = nodeAfter(model, step, logits[row]!);
        const ended = node.texts.filter((text) => texts[text]!.length === step.end);
        for (const text of ended) results[text] = answerOf(node, logits[row]!);
        node.texts = node.texts.filter((text) => texts[text]!.length > step.end);
        if (node.texts.length === 0) continue;
        next.push({ ...node, row: next.length });
        goOn.push(row);
      }
      if (goOn.length > 0) nextStates.push(selectRows(state, goOn));
      disposeState(state);
    }
    if (states) disposeState(states);
    states = nextStates.length > 1 ? joined(nextStates) : nextStates[0];
    level = next;
  }
}

/** What a node reads next: a block that several texts have in common, or the rest of a text that nobody shares. */
function stepsOf(node: Node, texts: readonly Int32Array[]): Step[] {
  const alike = new Map<string, number[]>();
  for (const text of node.texts) {
    const block = texts[text]!.subarray(node.depth, node.depth + blockSize).join();
    alike.set(block, [...(alike.get(block) ?? []), text]);
  }
  return [...alike.values()].map((own) => {
    const rest = texts[own[0]!]!.length - node.depth;
    return { texts: own, parent: node, end: node.depth + Math.min(rest, own.length === 1 ? positionsAtOnce : blockSize) };
  });
}

/** Steps in batches of a bounded size, those of like length together. */
function batchesOf(steps: readonly Step[]): Step[][] {
  const length = ({ parent, end }: Step): number => end - parent.depth;
  const batches: Step[][] = [];
  let longest = 0;
  for (const step of steps.toSorted((a, b) => length(a) - length(b))) {
    const last = batches.at(-1);
    longest = length(step);
    if (last && (last.length + 1) * longest <= positionsAtOnce) last.push(step);
    else batches.push([step]);
  }
  return batches;
}

async function readBatch(
  model: Model,
  steps: readonly Step[],
  texts: readonly Int32Array[],
  states: ModelState | undefined,
): Promise<{ logits: Float32Array[]; state: ModelState }> {
  const batch = model.batch(steps.map(({ texts: [first], parent, end }) => texts[first!]!.subarray(parent.depth, end)));
  const { logits, state } = scope(() => {
    const from =
      states &&
      selectRows(
        states,
        steps.map(({ parent }) => parent.row),
      );
    return model.forward(batch, { ...(from ? { state: from } : {}), logits: 'last' });
  });
  const all = await logits!.read();
  logits!.dispose();
  disposeBatch(batch);
  const each = all.length / steps.length;
  return { logits: steps.map((_, row) => all.slice(row * each, (row + 1) * each)), state };
}

/** A step's node after it was read. */
function nodeAfter(model: Model, { texts, parent, end }: Step, logits: Float32Array): Node {
  const { head } = model.config;
  const node: Node = { texts, row: 0, depth: end };
  if (head.kind === 'classifier' && head.pooling === 'mean')
    node.sum = Float64Array.from(logits, (logit, id) => (parent.sum?.[id] ?? 0) + logit * (end - parent.depth)); // the head is linear
  return node;
}

const answerOf = ({ sum, depth }: Node, logits: Float32Array): Float32Array =>
  sum ? Float32Array.from(sum, (value) => value / depth) : logits;

function joined(states: readonly ModelState[]): ModelState {
  const all = joinRows(states);
  for (const state of states) disposeState(state);
  return all;
}
