// Groups texts that say nearly the same: MinHash finds candidates in linear time, the exact Jaccard index decides.
// Broder, "On the resemblance and containment of documents" (1997); banding: Leskovec et al., "Mining of Massive Datasets", ch. 3.

const BANDS = 32;
const ROWS = 4; // A pair of Jaccard 0.7 shares at least one of 32 bands of 4 with probability 1 - (1 - 0.7^4)^32 > 0.999.
const SHINGLE_WORDS = 3;

/** The set of hashed runs of three words, lower case, every digit read as 0 (one-word texts: the word itself). */
export function shingles(text) {
  const words =
    text
      .toLowerCase()
      .replace(/\d/g, '0')
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  const set = new Set();
  for (let start = 0; start === 0 || start + SHINGLE_WORDS <= words.length; start++) {
    set.add(hash32(words.slice(start, start + SHINGLE_WORDS).join(' ')));
  }
  return set;
}

/** |a ∩ b| / |a ∪ b|. */
export function jaccard(a, b) {
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  let shared = 0;
  for (const item of small) if (large.has(item)) shared++;
  return shared / (a.size + b.size - shared);
}

/**
 * Joins texts whose shingle sets have a Jaccard index of at least `threshold`, and whatever such pairs link together.
 * @param {string[]} texts
 * @param {number} [threshold] in (0, 1]
 * @returns {number[]} for each text the index of its group's first text
 */
export function groupNearDuplicates(texts, threshold = 0.7) {
  const sets = texts.map(shingles);
  const parents = texts.map((_, index) => index);
  const root = (index) => {
    while (parents[index] !== index) index = parents[index] = parents[parents[index]];
    return index;
  };
  for (const bucket of buckets(sets)) {
    for (let second = 1; second < bucket.length; second++) {
      for (let first = 0; first < second; first++) {
        const [a, b] = [root(bucket[first]), root(bucket[second])];
        if (a !== b && jaccard(sets[bucket[first]], sets[bucket[second]]) >= threshold) parents[Math.max(a, b)] = Math.min(a, b);
      }
    }
  }
  return texts.map((_, index) => root(index));
}

/** Lists of two or more indices whose sets agree in one band of their MinHash signatures. */
function* buckets(sets) {
  const signatures = sets.map(signature);
  for (let band = 0; band < BANDS; band++) {
    const members = new Map();
    signatures.forEach((values, index) => {
      const key = values.subarray(band * ROWS, (band + 1) * ROWS).join();
      if (!members.has(key)) members.set(key, []);
      members.get(key).push(index);
    });
    for (const bucket of members.values()) if (bucket.length > 1) yield bucket;
  }
}

/** For each of BANDS × ROWS hash functions the least hash over the set. */
function signature(set) {
  const least = new Uint32Array(BANDS * ROWS).fill(0xffffffff);
  for (const item of set) {
    for (let row = 0; row < least.length; row++) {
      const value = mix(item ^ Math.imul(row + 1, 0x9e3779b1));
      if (value < least[row]) least[row] = value;
    }
  }
  return least;
}

/** FNV-1a over UTF-16 units, mixed. */
export function hash32(text) {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return mix(hash);
}

/** A bijection of 32-bit integers in which every input bit reaches every output bit (the finaliser of MurmurHash3). */
function mix(value) {
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
