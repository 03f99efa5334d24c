import { layerKindsOf, type Model } from '@hidden-attention/model';
import { add, multiply, reshape, scope, sumLast, transpose, type RuleSet, type Tensor } from '@hidden-attention/tensor';
import * as z from '@hidden-attention/model/schema';
import { ExplainError } from '../errors.js';
import type { Relevance } from '../explainer.js';
import type { Question } from '../question.js';

export interface GroupOptions {
  /** 0: none; a number of groups that the channels of each layer are cut into; or one a head */
  groups: number | 'heads';
}

/** The option `groups` of methods whose relevance can be told apart by channels. */
export const groupsOption = (): { groups: z.ZodType<GroupOptions['groups']> } => ({
  groups: z.union([z.literal('heads'), z.coerce.number().int().min(0)]).default(0),
});

/** Where a layer's channels read the positions: the scan's input x′, or the values of softmax attention. */
const sitesOfKind = { scan: ['u'], 'two-way scan': ['forward.u', 'backward.u'], softmax: ['v'] } as const;

/**
 * What the channels of each layer receive of the explained number, by group and position: value × gradient where they read the
 * input, the scan's x′ (of Vision Mamba both scans' together) or the values of softmax attention. It runs the model once more.
 * @throws ExplainError where the groups are not of equal size, or a layer has no heads
 */
export async function channelGroups(
  question: Question,
  rules: RuleSet,
  groups: GroupOptions['groups'],
): Promise<Pick<Relevance, 'groups'>> {
  if (groups === 0) return {};
  const kinds = layerKindsOf(question.model);
  const names = kinds.map((kind, layer) => sitesOfKind[kind].map((site) => `layers.${layer}.${site}`));
  const found = await question.atSites(names.flat(), rules);
  try {
    const layers: Float64Array[][] = [];
    for (const [layer, sites] of names.entries()) {
      const products = scope(() => {
        const each = sites.map((site) => multiply(found[site]!.value, found[site]!.gradient)) as Tensor[];
        const channels = each[0]!.size / question.length;
        const count = groupCount(question.model, layer, channels, each[0]!, groups);
        const all = each.reduce((a, b) => add(a, b));
        return transpose(sumLast(reshape(all, [1, question.length, count, channels / count]))); //      (1 g l)
      });
      const numbers = await products.read();
      const count = products.shape[1]!;
      products.dispose();
      layers.push(
        Array.from({ length: count }, (_, group) =>
          Float64Array.from(numbers.slice(group * question.length, (group + 1) * question.length)),
        ),
      );
    }
    return { groups: { site: [...new Set(kinds.flatMap((kind) => sitesOfKind[kind]))].join(', '), layers } };
  } finally {
    for (const { value, gradient } of Object.values(found)) for (const tensor of [value, gradient]) tensor.dispose();
  }
}

function groupCount({ config }: Model, layer: number, channels: number, value: Tensor, groups: GroupOptions['groups']): number {
  if (groups === 'heads') {
    if (value.shape.length === 4) return value.shape[2]!; // softmax attention: (b l h p)
    const { heads } = config as { heads?: number };
    if (heads === undefined || config.family === 'jamba')
      throw new ExplainError(
        `groups is "heads", and layer ${layer} has channels without heads; give a number of groups that divides ${channels}`,
      );
    return heads;
  }
  if (channels % groups === 0) return groups;
  throw new ExplainError(`groups is ${groups}; it must divide the ${channels} channels of layer ${layer}`);
}
