// Texts as sparse rows of word 1-2-gram counts, over the vocabulary of the training texts.

/** @typedef {{ features: Int32Array, counts: Float64Array }} Row the features of one text, ascending, and how often each occurs */

/** Words in lower case: letters, digits, and the signs that prices and contractions use; an exclamation mark is a word. */
export function words(text) {
  return text.toLowerCase().match(/[\p{L}\p{M}\p{N}$%'’_-]+|!/gu) ?? [];
}

/** The first `bytes` bytes of a text as UTF-8, without the part of a character that the cut leaves. */
export function cutBytes(text, bytes) {
  const encoded = new TextEncoder().encode(text);
  if (encoded.length <= bytes) return text;
  let end = bytes;
  while (end > 0 && (encoded[end] & 0xc0) === 0x80) end--;
  return new TextDecoder().decode(encoded.subarray(0, end));
}

/** Every word and every pair of neighbours with its count. @returns {Map<string, number>} */
export function grams(text) {
  const counts = new Map();
  let previous;
  for (const word of words(text)) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
    if (previous !== undefined) counts.set(`${previous} ${word}`, (counts.get(`${previous} ${word}`) ?? 0) + 1);
    previous = word;
  }
  return counts;
}

/** Numbers the grams that occur in at least `least` of the texts. @param {Map<string, number>[]} counted */
export function vocabulary(counted, least = 2) {
  const documents = new Map();
  for (const counts of counted) for (const gram of counts.keys()) documents.set(gram, (documents.get(gram) ?? 0) + 1);
  const ids = new Map();
  for (const [gram, occurrences] of documents) if (occurrences >= least) ids.set(gram, ids.size);
  return ids;
}

/** @param {Map<string, number>} counts @param {Map<string, number>} ids @returns {Row} */
export function row(counts, ids) {
  const known = [];
  for (const [gram, count] of counts) if (ids.has(gram)) known.push([ids.get(gram), count]);
  known.sort((a, b) => a[0] - b[0]);
  return { features: Int32Array.from(known, ([id]) => id), counts: Float64Array.from(known, ([, count]) => count) };
}

/**
 * Weighs rows by (1 + ln tf) · idf, idf = 1 + ln((1 + n) / (1 + df)) with n and df of `training`, each row of length 1
 * (Salton & Buckley 1988, with the smoothing that is usual today).
 */
export function tfIdf(training, size) {
  const documents = new Float64Array(size);
  for (const { features } of training) for (const feature of features) documents[feature]++;
  const idf = documents.map((df) => 1 + Math.log((1 + training.length) / (1 + df)));
  return ({ features, counts }) => {
    const weights = counts.map((count, index) => (1 + Math.log(count)) * idf[features[index]]);
    const length = Math.sqrt(weights.reduce((sum, weight) => sum + weight * weight, 0)) || 1;
    return { features, counts: weights.map((weight) => weight / length) };
  };
}
