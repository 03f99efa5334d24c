// Logistic regression with an L2 penalty, fitted to convergence by L-BFGS: no seed, no learning rate.

/**
 * Minimises Σ_i ln(1 + exp(-s_i (w·x_i + b))) + (penalty / 2) |w|², s_i = ±1; the bias b is not penalised.
 * @param {import("./features.mjs").Row[]} rows
 * @param {number[]} labels 0 or 1
 * @param {{ size: number, penalty: number }} options number of features; strength of the penalty
 * @returns {(row) => number} the log odds of class 1
 */
export function trainLogisticRegression(rows, labels, { size, penalty }) {
  const objective = (weights, gradient) => {
    let loss = 0;
    for (let feature = 0; feature < size; feature++) {
      loss += 0.5 * penalty * weights[feature] ** 2;
      gradient[feature] = penalty * weights[feature];
    }
    gradient[size] = 0;
    rows.forEach((row, index) => {
      const sign = labels[index] ? 1 : -1;
      const margin = sign * logOdds(weights, row, size);
      loss += margin > 0 ? Math.log1p(Math.exp(-margin)) : Math.log1p(Math.exp(margin)) - margin;
      const slope = -sign / (1 + Math.exp(margin));
      for (let position = 0; position < row.features.length; position++) gradient[row.features[position]] += slope * row.counts[position];
      gradient[size] += slope;
    });
    return loss;
  };
  const weights = minimise(objective, size + 1);
  return (row) => logOdds(weights, row, size);
}

function logOdds(weights, { features, counts }, bias) {
  let sum = weights[bias];
  for (let position = 0; position < features.length; position++) sum += weights[features[position]] * counts[position];
  return sum;
}

/**
 * L-BFGS with a backtracking line search (Nocedal & Wright 2006, algorithms 7.4 and 3.1), from zero.
 * @param {(point: Float64Array, gradient: Float64Array) => number} objective value at `point`; writes the gradient
 * @returns {Float64Array} a point where the gradient's length is below `tolerance` of the first, or after `steps` steps
 */
export function minimise(objective, size, { steps = 300, memory = 10, tolerance = 1e-5 } = {}) {
  let point = new Float64Array(size);
  let gradient = new Float64Array(size);
  let value = objective(point, gradient);
  const goal = tolerance * Math.sqrt(dot(gradient, gradient));
  const history = [];
  for (let step = 0; step < steps && Math.sqrt(dot(gradient, gradient)) > goal; step++) {
    const direction = descent(gradient, history);
    const slope = dot(gradient, direction);
    const next = { point: new Float64Array(size), gradient: new Float64Array(size), value: Infinity };
    let rate = history.length === 0 ? 1 / Math.sqrt(-slope) : 1;
    for (let halving = 0; halving < 40; halving++, rate /= 2) {
      for (let index = 0; index < size; index++) next.point[index] = point[index] + rate * direction[index];
      next.value = objective(next.point, next.gradient);
      if (next.value <= value + 1e-4 * rate * slope) break;
    }
    if (!(next.value < value)) break; // the arithmetic resolves no better point
    const moved = next.point.map((coordinate, index) => coordinate - point[index]);
    const turned = next.gradient.map((coordinate, index) => coordinate - gradient[index]);
    if (dot(moved, turned) > 0) history.push({ moved, turned, inverse: 1 / dot(moved, turned) });
    if (history.length > memory) history.shift();
    ({ point, gradient, value } = next);
  }
  return point;
}

/** -H·gradient by the two-loop recursion. */
function descent(gradient, history) {
  const direction = gradient.map((coordinate) => -coordinate);
  const weights = [];
  for (const { moved, turned, inverse } of [...history].reverse()) {
    weights.push(inverse * dot(moved, direction));
    add(direction, turned, -weights.at(-1));
  }
  const latest = history.at(-1);
  if (latest) add(direction, direction, 1 / (latest.inverse * dot(latest.turned, latest.turned)) - 1);
  for (const { moved, turned, inverse } of history) add(direction, moved, weights.pop() - inverse * dot(turned, direction));
  return direction;
}

function dot(a, b) {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index] * b[index];
  return sum;
}

function add(target, other, factor) {
  for (let index = 0; index < target.length; index++) target[index] += factor * other[index];
}
