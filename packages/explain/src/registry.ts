import { nearestNames } from '@hidden-attention/model';
import { ExplainError, UnknownNameError } from './errors.js';
import { fullName, type Explainer } from './explainer.js';
import { unified, unifiedReleased, wholeBlock } from './methods/block-attention.js';
import { decimamba } from './methods/decimamba.js';
import { decomposition } from './methods/decomposition.js';
import { edgeAttribution } from './methods/edge-attribution.js';
import { gradientTimesInput } from './methods/gradient-x-input.js';
import { integratedGradients } from './methods/integrated-gradients.js';
import { latim } from './methods/latim.js';
import { mambaLrp } from './methods/mambalrp.js';
import { saliency } from './methods/saliency.js';
import { smoothGrad } from './methods/smoothgrad.js';
import { kernelShap } from './methods/kernelshap.js';
import { mambaAttribution, mambaAttributionReleased } from './methods/mamba-attribution.js';
import { occlusion } from './methods/occlusion.js';
import { raw, rawReleased } from './methods/raw.js';
import { rollout, rolloutReleased } from './methods/rollout.js';
import { shapleySampling } from './methods/shapley-sampling.js';
import { transformerAttribution } from './methods/transformer-attribution.js';
import { xVmamba } from './methods/x-vmamba.js';

type Explainers = Map<string, Explainer>;

/** The built-in explainers, and those that are registered; made by a call that a bundler can leave out where none is looked up. */
const explainers: Explainers = builtIn();

function builtIn(): Explainers {
  const all: Explainers = new Map();
  for (const each of [
    raw,
    rawReleased,
    rollout,
    rolloutReleased,
    mambaAttribution,
    mambaAttributionReleased,
    gradientTimesInput,
    decomposition,
    transformerAttribution,
    xVmamba,
    decimamba,
    saliency,
    smoothGrad,
    integratedGradients,
    mambaLrp,
    occlusion,
    kernelShap,
    shapleySampling,
    wholeBlock,
    unified,
    unifiedReleased,
    edgeAttribution,
    latim,
  ] as Explainer[])
    add(all, each);
  return all;
}

function add(all: Explainers, explainer: Explainer, overwrite = false): void {
  const name = fullName(explainer);
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(explainer.name)) {
    throw new ExplainError(
      `an explainer cannot be called "${explainer.name}"; use lower case, digits and single hyphens, as in "mamba-attribution"`,
    );
  }
  if (all.has(name) && !overwrite) {
    throw new ExplainError(`an explainer "${name}" is registered already; choose another name, or pass { overwrite: true } to replace it`);
  }
  all.set(name, explainer);
}

/**
 * Makes an explainer known by its name: `name`, or `name:released` for that variant.
 * @throws ExplainError when the name is taken, unless `overwrite`, or not in lower case with hyphens
 */
export function registerExplainer<Options extends object>(explainer: Explainer<Options>, options: { overwrite?: boolean } = {}): void {
  add(explainers, explainer as unknown as Explainer, options.overwrite);
}

/** The explainer of that name ('raw', 'raw:released'); throws UnknownNameError with the nearest names. */
export function getExplainer(name: string): Explainer {
  const found = explainers.get(name.replace(/:paper$/, ''));
  if (!found)
    throw new UnknownNameError(`unknown explainer "${name}"; the nearest are ${nearestNames(name, explainers.keys()).join(', ')}`);
  return found;
}

/** All registered explainers, in the order of their registration. */
export function listExplainers(): Explainer[] {
  return [...explainers.values()];
}
