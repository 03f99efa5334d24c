/** Moving averages of how fast a training goes. */
export class Speed {
  secondsPerStep = 0;
  tokensPerSecond = 0;

  /** Takes in one step. */
  add(tokens: number, seconds: number): void {
    const kept = this.secondsPerStep === 0 ? 0 : 0.95;
    this.secondsPerStep = kept * this.secondsPerStep + (1 - kept) * seconds;
    this.tokensPerSecond = kept * this.tokensPerSecond + ((1 - kept) * tokens) / seconds;
  }
}
