const LEAST_S = 0.02;
const MOST_S = 0.4;
const EAGER_BELOW_S = 1; // below this interval between decodes every millisecond is waited for

/**
 * Seconds of audio that are worth a frame, when the server decodes an utterance at such intervals: what it looks at
 * rarely need not come in crumbs. Mirrors echopanel.policy.framing; checked by shared vectors.
 */
export function leastS(chunkIntervalS) {
  return chunkIntervalS >= EAGER_BELOW_S ? Math.min(MOST_S, chunkIntervalS / 10) : LEAST_S;
}
