import { scope, sumLast } from '@hidden-attention/tensor';
import * as z from '@hidden-attention/model/schema';
import { defineExplainer, type Explainer } from '../explainer.js';
import { meanOfScans, someScans } from './scan-layers.js';

/** DeciMamba's importance of a token, ‖Δ_j‖₂ over the channels of a layer, as a mean over layers; what `pruneTokens` keeps. */
export const decimamba: Explainer<{ startLayer: number }> = defineExplainer({
  name: 'decimamba',
  title: 'DeciMamba importance',
  summary: "How large a step the model's states take at each piece of the input: a large one takes it in and lets go of what came before.",
  cite: 'Ben-Kish, Zimerman, Abu-Hussein, Cohen, Globerson, Wolf, Giryes: DeciMamba. ICLR 2025, arXiv 2406.14528',
  signed: false,
  options: () => z.strictObject({ startLayer: z.coerce.number().int().min(0).default(0) }),
  supports: someScans,
  explain: (question, { startLayer }) =>
    meanOfScans(question, startLayer, async ({ delta }) => {
      const squares = scope(() => sumLast(delta, 'squares')); //                                      (1 l)
      const sizes = Float64Array.from(await squares.read(), Math.sqrt);
      squares.dispose();
      return sizes;
    }),
});
