// An adaptive context model over bytes: one trie of counts for contexts of 0 to 5 bytes, and three ways to turn the
// counts into probabilities. It learns from every byte it has been shown, held-out bytes included, after each is coded.
// Counting: update exclusion, a byte counts in the longest context that knew it and in the longer ones that did not
// (Moffat 1990). The counts below the longest order are then the numbers of distinct longer contexts: Kneser-Ney's.

const NONE = 0;
const ROOT = 1;

/** @param {{ order?: number }} [options] longest context in bytes */
export class ContextModel {
  constructor({ order = 5 } = {}) {
    this.order = order;
    this.capacity = 1 << 16;
    this.nodes = ROOT + 1;
    this.symbol = new Uint8Array(this.capacity);
    this.count = new Int32Array(this.capacity);
    this.child = new Int32Array(this.capacity); // first byte seen after this context
    this.sibling = new Int32Array(this.capacity); // next byte seen after the parent's context
    this.suffix = new Int32Array(this.capacity); // the same context less its first byte
    this.context = ROOT; // the longest current context of at most `order` bytes
    this.depth = 0;
  }

  /** Counts one byte after the current context, and moves on. */
  update(byte) {
    let longer = NONE; // the node of `byte` below the context one byte longer
    let longest = NONE;
    let context = this.context;
    for (; context !== NONE; context = this.suffix[context]) {
      let node = this.find(context, byte);
      const known = node !== NONE;
      if (!known) node = this.add(context, byte);
      this.count[node]++;
      if (longer !== NONE) this.suffix[longer] = node;
      else longest = node;
      longer = node;
      if (known) break; // shorter contexts have known the byte since this one has
    }
    if (context === NONE) this.suffix[longer] = ROOT;
    this.context = this.depth === this.order ? this.suffix[longest] : longest;
    if (this.depth < this.order) this.depth++;
  }

  /** The node of `byte` after `context`, or NONE. */
  find(context, byte) {
    let node = this.child[context];
    while (node !== NONE && this.symbol[node] !== byte) node = this.sibling[node];
    return node;
  }

  add(context, byte) {
    if (this.nodes === this.capacity) this.grow();
    const node = this.nodes++;
    this.symbol[node] = byte;
    this.sibling[node] = this.child[context];
    this.child[context] = node;
    return node;
  }

  grow() {
    this.capacity *= 2;
    for (const field of ['symbol', 'count', 'child', 'sibling', 'suffix']) {
      const larger = new this[field].constructor(this.capacity);
      larger.set(this[field]);
      this[field] = larger;
    }
  }

  /** Calls `visit(depth, node)` for every counted byte, depth = length of the context it was counted in. */
  forEach(visit, context = ROOT, depth = 0) {
    for (let node = this.child[context]; node !== NONE; node = this.sibling[node]) {
      visit(depth, node);
      this.forEach(visit, node, depth + 1);
    }
  }
}

/**
 * Prediction by partial matching with exclusion: the longest context that knows the byte gives its probability; longer
 * ones pay an escape. `method` "C": escape q / (T + q) (Moffat 1990); "D": escape q / 2T (Howard 1993),
 * with T the sum of the counts and q the number of different bytes of the context, without those already excluded.
 * @returns {(model: ContextModel, byte: number) => number} bits
 */
export function partialMatching(method) {
  const excludedAt = new Float64Array(256);
  let now = 0;
  return (model, byte) => {
    now++;
    let bits = 0;
    let excluded = 0;
    for (let context = model.context; context !== NONE; context = model.suffix[context]) {
      let [total, kinds, found] = [0, 0, 0];
      for (let node = model.child[context]; node !== NONE; node = model.sibling[node]) {
        if (excludedAt[model.symbol[node]] === now) continue;
        total += model.count[node];
        kinds++;
        if (model.symbol[node] === byte) found = model.count[node];
      }
      if (kinds === 0) continue;
      const sum = method === 'C' ? total + kinds : 2 * total;
      if (found > 0) return bits - Math.log2((method === 'C' ? found : 2 * found - 1) / sum);
      bits -= Math.log2(kinds / sum);
      for (let node = model.child[context]; node !== NONE; node = model.sibling[node]) {
        if (excludedAt[model.symbol[node]] !== now) excluded++;
        excludedAt[model.symbol[node]] = now;
      }
    }
    return bits + Math.log2(256 - excluded);
  };
}

/**
 * Interpolated modified Kneser-Ney (Chen & Goodman 1998): every order discounts its counts by D1, D2 or D3 (for counts of
 * 1, 2, 3 and more) and gives what it took to the next shorter order; below order 0 all 256 bytes are equal.
 * The discounts come from the numbers of counts 1 to 4 that the model holds when this is called.
 * @param {ContextModel} model
 * @returns {(model: ContextModel, byte: number) => number} bits
 */
export function kneserNey(model) {
  const discounts = discountsOf(model);
  return ({ context: longest, depth: longestDepth, child, sibling, suffix, symbol, count }, byte) => {
    let probability = 0;
    let share = 1; // what the longer orders left
    let depth = longestDepth;
    for (let context = longest; context !== NONE; context = suffix[context], depth--) {
      let [total, taken, kept] = [0, 0, 0];
      for (let node = child[context]; node !== NONE; node = sibling[node]) {
        const discount = discounts[depth][Math.min(count[node], 3)];
        total += count[node];
        taken += discount;
        if (symbol[node] === byte) kept = count[node] - discount;
      }
      if (total === 0) continue;
      probability += (share * kept) / total;
      share *= taken / total;
    }
    return -Math.log2(probability + share / 256);
  };
}

/** For each order [unused, D1, D2, D3]. */
function discountsOf(model) {
  const counts = Array.from({ length: model.order + 1 }, () => [0, 0, 0, 0, 0]);
  model.forEach((depth, node) => {
    if (model.count[node] <= 4) counts[depth][model.count[node]]++;
  });
  return counts.map(([, n1, n2, n3, n4]) => {
    if (n1 === 0 || n2 === 0 || n3 === 0) return [0, 0.5, 0.75, 0.9]; // too little text to estimate from
    const y = n1 / (n1 + 2 * n2);
    const clamp = (discount, below) => Math.min(Math.max(discount, 0.05), below - 0.05);
    return [0, clamp(1 - (2 * y * n2) / n1, 1), clamp(2 - (3 * y * n3) / n2, 2), clamp(3 - (4 * y * n4) / n3, 3)];
  });
}

/**
 * Bits per byte of `heldOut` after `train`, the model adapting as it goes.
 * @param {Uint8Array} train @param {Uint8Array} heldOut @param {{ order?: number }} [options]
 * @returns {Record<"ppmC" | "ppmD" | "kneserNey", number>}
 */
export function contextModelBits(train, heldOut, options) {
  const model = new ContextModel(options);
  for (const byte of train) model.update(byte);
  const methods = { ppmC: partialMatching('C'), ppmD: partialMatching('D'), kneserNey: kneserNey(model) };
  const bits = { ppmC: 0, ppmD: 0, kneserNey: 0 };
  for (const byte of heldOut) {
    for (const [name, cost] of Object.entries(methods)) bits[name] += cost(model, byte);
    model.update(byte);
  }
  return Object.fromEntries(Object.entries(bits).map(([name, sum]) => [name, sum / heldOut.length]));
}
