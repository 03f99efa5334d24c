import { decimal, headConfig, number, refuse, type Architecture, type Correspondence, type Sizes } from './correspondence.js';

/** Tensors of a block with the file's names, ours behind a prefix. */
function blockTensors(prefix: string, names: Readonly<Record<string, string>>, special: Partial<Correspondence> = {}): Correspondence[] {
  return Object.entries(names).flatMap(([theirs, ours]): Correspondence[] => [
    { theirs: `blk.%.${theirs}.weight`, ours: `${prefix}${ours}.weight`, ...special },
    { theirs: `blk.%.${theirs}.bias`, ours: `${prefix}${ours}.bias` },
  ]);
}

/** Rows for columns. */
function turned(numbers: Float32Array, [rows, columns]: readonly number[]): Float32Array<ArrayBuffer> {
  const result = new Float32Array(numbers.length);
  for (let r = 0; r < rows!; r++) for (let c = 0; c < columns!; c++) result[c * rows! + r] = numbers[r * columns! + c]!;
  return result;
}
const exchanged = ([rows, columns]: readonly number[]): readonly number[] => [columns!, rows!];

/** Metadata that both kinds have. */
function metadata(config: Sizes, architecture: string, context: number): Record<string, number> {
  if (config.head.kind === 'classifier') refuse("a classifier's head");
  const key = (name: string): string => `${architecture}.${name}`;
  return {
    [key('context_length')]: context,
    [key('embedding_length')]: config.hiddenSize,
    [key('feed_forward_length')]: config['innerSize'] as number,
    [key('block_count')]: config.layers,
    [key('attention.head_count')]: config['heads'] as number,
    [key('attention.layer_norm_epsilon')]: config['epsilon'] as number,
  };
}

/** GPT-2; its linear layers lie as (out, in) in a file, as (in, out) in our parameters. */
export const gpt2: Architecture = {
  name: 'gpt2',
  families: ['gpt2'],
  tensors: [
    { theirs: 'token_embd.weight', ours: 'transformer.wte.weight' },
    { theirs: 'position_embd.weight', ours: 'transformer.wpe.weight', exact: true },
    { theirs: 'output_norm.weight', ours: 'transformer.ln_f.weight' },
    { theirs: 'output_norm.bias', ours: 'transformer.ln_f.bias' },
    { theirs: 'output.weight', ours: 'lm_head.weight' },
    ...blockTensors('transformer.h.%.', { attn_norm: 'ln_1', ffn_norm: 'ln_2' }),
    ...blockTensors(
      'transformer.h.%.',
      { attn_qkv: 'attn.c_attn', attn_output: 'attn.c_proj', ffn_up: 'mlp.c_fc', ffn_down: 'mlp.c_proj' },
      { shape: exchanged, ourShape: exchanged, rearrange: { write: turned, read: turned } },
    ),
  ],
  config: (header) => ({
    model_type: 'gpt2',
    architectures: ['GPT2LMHeadModel'],
    ...headConfig(header),
    n_embd: number(header, 'gpt2.embedding_length'),
    n_layer: number(header, 'gpt2.block_count'),
    n_head: number(header, 'gpt2.attention.head_count'),
    n_positions: number(header, 'gpt2.context_length'),
    n_inner: number(header, 'gpt2.feed_forward_length'),
    layer_norm_epsilon: decimal(number(header, 'gpt2.attention.layer_norm_epsilon')),
  }),
  metadata(model) {
    const config = model.config as Sizes;
    if (config['activation'] !== 'tanh') refuse('an exact GELU');
    return metadata(config, 'gpt2', config.maxPositions!);
  },
};

/** q, k and v of each head side by side here; those of all heads one after the other in a file. */
function regrouped(numbers: Float32Array, rows: number, heads: number, back: boolean): Float32Array<ArrayBuffer> {
  const result = new Float32Array(numbers.length);
  const width = rows / 3 / heads;
  const columns = numbers.length / rows;
  for (let head = 0; head < heads; head++)
    for (let part = 0; part < 3; part++) {
      const [ours, theirs] = [(head * 3 + part) * width * columns, (part * heads + head) * width * columns];
      const [from, to] = back ? [theirs, ours] : [ours, theirs];
      result.set(numbers.subarray(from, from + width * columns), to);
    }
  return result;
}
const byHeads: Correspondence['rearrange'] = {
  write: (numbers, [rows], config) => regrouped(numbers, rows!, config['heads'] as number, false),
  read: (numbers, [rows], config) => regrouped(numbers, rows!, config['num_attention_heads'] as number, true),
};

/** GPT-NeoX. Readers of the format compute its GELU by the tanh form, whatever it was trained with. */
export const gptneox: Architecture = {
  name: 'gptneox',
  families: ['gpt_neox'],
  tensors: [
    { theirs: 'token_embd.weight', ours: 'gpt_neox.embed_in.weight' },
    { theirs: 'output_norm.weight', ours: 'gpt_neox.final_layer_norm.weight' },
    { theirs: 'output_norm.bias', ours: 'gpt_neox.final_layer_norm.bias' },
    { theirs: 'output.weight', ours: 'embed_out.weight' },
    ...blockTensors('gpt_neox.layers.%.', {
      attn_norm: 'input_layernorm',
      ffn_norm: 'post_attention_layernorm',
      attn_output: 'attention.dense',
      ffn_up: 'mlp.dense_h_to_4h',
      ffn_down: 'mlp.dense_4h_to_h',
    }),
    { theirs: 'blk.%.attn_qkv.weight', ours: 'gpt_neox.layers.%.attention.query_key_value.weight', rearrange: byHeads },
    { theirs: 'blk.%.attn_qkv.bias', ours: 'gpt_neox.layers.%.attention.query_key_value.bias', rearrange: byHeads },
  ],
  config(header) {
    const hidden = number(header, 'gptneox.embedding_length');
    const heads = number(header, 'gptneox.attention.head_count');
    return {
      model_type: 'gpt_neox',
      architectures: ['GPTNeoXForCausalLM'],
      ...headConfig(header),
      hidden_size: hidden,
      num_hidden_layers: number(header, 'gptneox.block_count'),
      num_attention_heads: heads,
      intermediate_size: number(header, 'gptneox.feed_forward_length'),
      rotary_pct: number(header, 'gptneox.rope.dimension_count') / (hidden / heads),
      rotary_emb_base: decimal(Number(header.metadata.get('gptneox.rope.freq_base') ?? 10000)),
      use_parallel_residual: header.metadata.get('gptneox.use_parallel_residual') !== false,
      hidden_act: header.metadata.get('hidden_attention.hidden_act') === 'gelu_new' ? 'gelu_new' : 'gelu',
      layer_norm_eps: decimal(number(header, 'gptneox.attention.layer_norm_epsilon')),
    };
  },
  metadata(model) {
    const config = model.config as Sizes & { rotary: { pairs: number; base: number } };
    if (config['attentionBias'] !== true) refuse('attention without biases');
    if (config.head.kind === 'language-model' && config.head.tied) refuse('a head that is the embeddings');
    return {
      ...metadata(config, 'gptneox', 2 ** 20),
      'gptneox.rope.dimension_count': 2 * config.rotary.pairs,
      'gptneox.rope.freq_base': config.rotary.base,
      'gptneox.use_parallel_residual': config['parallel'] as boolean,
      'hidden_attention.hidden_act': config['activation'] === 'tanh' ? 'gelu_new' : 'gelu',
    };
  },
};
