import { Named } from './named.js';
import type { Protocol } from './protocol.js';
import { activation } from './protocols/activation.js';
import { agreement } from './protocols/agreement.js';
import { alignment } from './protocols/alignment.js';
import { completeness } from './protocols/completeness.js';
import { copy } from './protocols/copy.js';
import { eraser } from './protocols/eraser.js';
import { infidelity } from './protocols/infidelity.js';
import { insertionDeletion } from './protocols/insertion-deletion.js';
import { maxSensitivity } from './protocols/max-sensitivity.js';
import { morfLerf } from './protocols/morf-lerf.js';
import { perturbation } from './protocols/perturbation.js';
import { pointingGame } from './protocols/pointing-game.js';
import { pruning } from './protocols/pruning.js';
import { quantisation } from './protocols/quantisation.js';
import { repeatability } from './protocols/repeatability.js';
import { sanityCascading, sanityIndependent } from './protocols/sanity.js';
import { sanityLabels } from './protocols/sanity-labels.js';
import { segmentation } from './protocols/segmentation.js';
import { sparsity } from './protocols/sparsity.js';

const protocols = new Named<Protocol>('protocol', [
  perturbation,
  segmentation,
  activation,
  pruning,
  morfLerf,
  eraser,
  insertionDeletion,
  pointingGame,
  infidelity,
  maxSensitivity,
  sanityCascading,
  sanityIndependent,
  sanityLabels,
  alignment,
  copy,
  completeness,
  repeatability,
  agreement,
  quantisation,
  sparsity,
] as Protocol[]);

/**
 * Makes a protocol known to sweeps by its name.
 * @throws EvaluateError when the name is taken, unless `overwrite`, or not in lower case with hyphens
 */
export function registerProtocol<Options extends object>(protocol: Protocol<Options>, options: { overwrite?: boolean } = {}): void {
  protocols.add(protocol as unknown as Protocol, options.overwrite);
}

/** The protocol of that name; throws EvaluateError with the nearest names. */
export const getProtocol = (name: string): Protocol => protocols.get(name);

/** All registered protocols, in the order of their registration. */
export const listProtocols = (): Protocol[] => protocols.list();
