/** What has to be said of maps of classifiers that pool by mean. */
export const meanPooling =
  'the models pool by the mean over positions, so that each byte keeps an equal share of what the identity in eq. 22 and 24 carries through, which hides most of what the layers add to rollout and attribution; a model that answers from one position would show more';
