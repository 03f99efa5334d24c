// Multinomial naive Bayes (McCallum & Nigam 1998) for two classes, with additive smoothing.

/**
 * @param {import("./features.mjs").Row[]} rows
 * @param {number[]} labels 0 or 1
 * @param {{ size: number, smoothing: number }} options number of features; pseudo-count of each feature in each class
 * @returns {(row) => number} the log odds of class 1
 */
export function trainNaiveBayes(rows, labels, { size, smoothing }) {
  const totals = [smoothing * size, smoothing * size];
  const counts = [new Float64Array(size).fill(smoothing), new Float64Array(size).fill(smoothing)];
  const documents = [0, 0];
  rows.forEach((row, index) => {
    const label = labels[index];
    documents[label]++;
    row.features.forEach((feature, position) => {
      counts[label][feature] += row.counts[position];
      totals[label] += row.counts[position];
    });
  });
  const prior = Math.log(documents[1] / documents[0]);
  const weights = counts[1].map((count, feature) => Math.log(count / totals[1]) - Math.log(counts[0][feature] / totals[0]));
  return (row) => row.features.reduce((sum, feature, position) => sum + row.counts[position] * weights[feature], prior);
}
