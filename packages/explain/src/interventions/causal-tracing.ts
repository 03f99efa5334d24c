import { Tensor } from '@hidden-attention/tensor';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { probabilities } from '../answer.js';
import { ExplainError } from '../errors.js';
import { resolvePlaces, restore, sourceSites, streamSites, type Places } from './restore.js';
import { cleanRun, type Subject } from './subject.js';

/** Which positions are made unrecognisable, and where clean activations are put back. */
export interface TracingRequest extends Subject, Places {
  /** positions of the subject, whose embeddings get noise */
  subject: readonly number[];
  /** the noise's deviation, in deviations of the input's embeddings; default 3 */
  noise?: number;
  /** draws of the noise; default 10 */
  samples?: number;
  /** default 0 */
  seed?: number;
}

/** Where the answer can be brought back. */
export interface TracingResult {
  target: number;
  /** the target's probability: untouched, and with noise on the subject (mean of the draws) */
  clean: number;
  corrupt: number;
  /** the indirect effect by site and layer, one a group: probability with the place restored − that with noise, mean of the draws */
  sites: { site: string; layers: { layer: number; scores: number[] }[] }[];
}

/**
 * Causal tracing: noise on the subject's embeddings takes the answer away; the clean value at one site, layer and position is put back,
 * and the answer that returns with it tells where it passes (Meng et al. 2022, arXiv 2202.05262; for Mamba: Sharma et al. 2024, arXiv
 * 2404.03646, who restore windows of layers). samples·groups·layers·sites passes in batches.
 */
export async function causalTracing({ subject, noise = 3, samples = 10, seed = 0, ...request }: TracingRequest): Promise<TracingResult> {
  const { model, input } = request;
  const { layers } = model.config;
  if (!(noise > 0)) throw new ExplainError(`noise is ${noise}; a number of deviations above 0 is needed`);
  if (!Number.isInteger(samples) || samples < 1) throw new ExplainError(`samples is ${samples}; a whole number of at least 1 is needed`);
  const first = await cleanRun(request, ['embeddings']);
  const places = resolvePlaces(request, model, first.length);
  const wrong = subject.find((at) => !Number.isInteger(at) || at < 0 || at >= first.length);
  if (subject.length === 0 || wrong !== undefined)
    throw new ExplainError(
      subject.length === 0
        ? 'the subject has no positions; name those that get noise'
        : `position ${wrong} of the subject does not exist; the input has positions 0 to ${first.length - 1}`,
    );
  const clean = await cleanRun({ ...request, target: first.target }, sourceSites(places, layers));
  const { target } = clean;
  const probability = (logits: Float32Array): number => probabilities(logits)[target]!;
  const embedded = first.captured['embeddings']!;
  const numbers = Float32Array.from(await embedded.read());
  const draw = normal(seed, noise * deviation(numbers));
  const width = embedded.shape[2]!;
  let corrupt = 0;
  const sums = places.sites.map(() => places.layers.map(() => new Float64Array(places.groups.length)));
  for (let sample = 0; sample < samples; sample++) {
    const noisy = Float32Array.from(numbers);
    for (const at of subject) for (let i = 0; i < width; i++) noisy[at * width + i]! += draw();
    const embeddings = Tensor.from(noisy, embedded.shape, model.device);
    const broken = await cleanRun({ model, input, target }, streamSites(layers), { embeddings });
    const restored = await restore(model, input, places, clean.captured, broken.captured);
    const without = probability(broken.logits);
    corrupt += without / samples;
    restored.forEach(({ layers: ofSite }, s) =>
      ofSite.forEach(({ logits }, l) => logits.forEach((each, g) => (sums[s]![l]![g]! += (probability(each) - without) / samples))),
    );
    broken.dispose();
    embeddings.dispose();
  }
  first.dispose();
  clean.dispose();
  return {
    target,
    clean: probability(clean.logits),
    corrupt,
    sites: places.sites.map((site, s) => ({
      site,
      layers: places.layers.map((layer, l) => ({ layer, scores: [...sums[s]![l]!] })),
    })),
  };
}

function deviation(numbers: Float32Array): number {
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  return Math.sqrt(numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / numbers.length);
}

/** Normal numbers around 0 (Box and Muller), the same for the same seed. */
function normal(seed: number, scale: number): () => number {
  const generator = xoroshiro128plus(seed);
  const uniform = (): number => ((generator.next() >>> 0) + 0.5) / 2 ** 32;
  return () => scale * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
