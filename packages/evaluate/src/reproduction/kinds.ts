/** The three kinds of maps that tables 1 and 2 compare. */
export const kinds = ['Raw', 'Rollout', 'Attribution'] as const;

/** Which method each is, of a Mamba and of a transformer. */
export const methods = {
  Raw: ['raw', 'raw'],
  Rollout: ['rollout', 'rollout'],
  Attribution: ['mamba-attribution', 'transformer-attribution'],
} as const;
