/** Names of the parameters around the blocks. */
export interface BackboneNames {
  embeddings: string;
  /** in front of the names of a layer's parameters */
  layer: (layer: number) => string;
  head: string;
}

/** Hugging Face's names of the Mamba family. */
export const mambaNames: BackboneNames = {
  embeddings: 'backbone.embeddings.weight',
  layer: (layer) => `backbone.layers.${layer}.`,
  head: 'lm_head.weight',
};
