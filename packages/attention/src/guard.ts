/** How well a rollout is determined. */
export interface RolloutReport {
  /** the smallest |1 + row sum| that was divided by; 1 without normalisation */
  smallestRowSum: number;
  /** the largest |v| on the way */
  largestValue: number;
  /** what to be careful about */
  warning?: string;
}

/** Below this the row-normalised rollout of signed attention amplifies rounding (math.md section 5). */
const wellConditioned = 1e-3;

/** Follows a rollout's numbers: the divisions of its row-normalised form, and its size. */
export class RolloutGuard {
  #smallest = 1;
  #largest = 0;

  /** v_i / (1 + sums_i); only rows where v is not 0 count. */
  divide(v: Float64Array, sums: ArrayLike<number>): Float64Array<ArrayBuffer> {
    return Float64Array.from(v, (value, at) => {
      if (value === 0) return 0;
      const divisor = 1 + sums[at]!;
      this.#smallest = Math.min(this.#smallest, Math.abs(divisor));
      return value / divisor;
    });
  }

  /** @throws RangeError where a number is not finite */
  see(v: Float64Array): void {
    for (const value of v) {
      if (!Number.isFinite(value))
        throw new RangeError(
          `the rollout is not finite (smallest |1 + row sum| ${this.#smallest}); use normalize 'none', reduce 'meanAbs', or a later startLayer`,
        );
      this.#largest = Math.max(this.#largest, Math.abs(value));
    }
  }

  report(): RolloutReport {
    const report = { smallestRowSum: this.#smallest, largestValue: this.#largest };
    if (this.#smallest >= wellConditioned) return report;
    return {
      ...report,
      warning: `a row of I + attention sums to ${this.#smallest.toExponential(1)}; dividing by it amplifies rounding: use normalize 'none', or reduce 'meanAbs'`,
    };
  }
}
