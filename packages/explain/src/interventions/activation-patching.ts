import type { Model } from '@hidden-attention/model';
import { ExplainError } from '../errors.js';
import { checkTarget } from '../target.js';
import { resolvePlaces, restore, sourceSites, streamSites, type Places } from './restore.js';
import { cleanRun, type Input } from './subject.js';

/** Two inputs that the model answers differently, and where activations of the first are put into the second. */
export interface PatchingRequest extends Places {
  model: Model;
  /** its values are put in */
  clean: Input;
  /** the run that is changed; as many positions as `clean` */
  corrupt: Input;
  /** class or token; default the clean input's answer */
  target?: number;
  /** another class or token: the figure is then the difference of the two logits */
  against?: number;
}

/** How much of the difference between two runs one place carries. */
export interface PatchingResult {
  target: number;
  /** the figure (a logit, or a difference of two) of both runs */
  clean: number;
  corrupt: number;
  /** by site and layer, one a group: (patched − corrupt) / (clean − corrupt): 1 gives the clean answer back, 0 changes nothing */
  sites: { site: string; layers: { layer: number; scores: number[] }[] }[];
}

/**
 * Activation patching: the corrupt input is run with the clean run's value at one site, layer and position after the other (Vig et
 * al. 2020; Wang et al. 2022, arXiv 2211.00593). groups·layers·sites passes in batches, each from its layer on.
 * @throws ExplainError for inputs of different lengths, inputs that are answered alike, or places that do not exist
 */
export async function activationPatching({ model, clean, corrupt, target, against, ...where }: PatchingRequest): Promise<PatchingResult> {
  if (against !== undefined) checkTarget(against, model);
  const { layers } = model.config;
  const other = await cleanRun({ model, input: corrupt }, streamSites(layers));
  const places = resolvePlaces(where, model, other.length);
  const good = await cleanRun({ model, input: clean, target }, sourceSites(places, layers));
  try {
    if (good.length !== other.length)
      throw new ExplainError(
        `the clean input has ${good.length} positions and the corrupt one ${other.length}; they must have as many, so that one stands for the other`,
      );
    const figure = (logits: Float32Array): number => logits[good.target]! - (against === undefined ? 0 : logits[against]!);
    const [cleanFigure, corruptFigure] = [figure(good.logits), figure(other.logits)];
    const apart = cleanFigure - corruptFigure;
    if (Math.abs(apart) < 1e-6 * Math.max(1, Math.abs(cleanFigure)))
      throw new ExplainError(
        `both inputs give target ${good.target} the same ${against === undefined ? 'logit' : 'difference of logits'}, ${cleanFigure.toPrecision(4)}; choose a corrupt input that changes it`,
      );
    const restored = await restore(model, corrupt, places, good.captured, other.captured);
    return {
      target: good.target,
      clean: cleanFigure,
      corrupt: corruptFigure,
      sites: restored.map(({ site, layers: ofSite }) => ({
        site,
        layers: ofSite.map(({ layer, logits }) => ({ layer, scores: logits.map((each) => (figure(each) - corruptFigure) / apart) })),
      })),
    };
  } finally {
    good.dispose();
    other.dispose();
  }
}
