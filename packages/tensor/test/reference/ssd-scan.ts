// The scan of Mamba-2 by its definition (math.md section 4): the selective scan with each head's Δ, A and D for all its channels and states.
import { array, type HostArray } from '../support.js';
import { selectiveScan, type ScanArrays } from './selective-scan.js';

/** y (b l h p) and the final state (b h p n); arrays by the operands' names, see SsdScanInputs. */
export function ssdScan({ x, delta, A, D, initialState, ...rest }: ScanArrays): { y: HostArray; finalState: HostArray } {
  const [b, l, h, p] = x!.shape as [number, number, number, number];
  const n = rest.B!.shape[3]!;
  const each = (value: HostArray, shape: readonly number[], times: number): HostArray =>
    array(shape, (i) => value.data[Math.floor(i / times)]!);
  const { y, finalState } = selectiveScan(
    {
      ...rest,
      u: { ...x!, shape: [b, l, h * p] },
      delta: each(delta!, [b, l, h * p], p),
      A: each(A!, [h * p, n], p * n),
      ...(D && { D: each(D, [h * p], p) }),
      ...(initialState && { initialState: { ...initialState, shape: [b, h * p, n] } }),
    },
    { softplus: false },
  );
  return { y: { ...y, shape: x!.shape }, finalState: { ...finalState, shape: [b, h, p, n] } };
}
