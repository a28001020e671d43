/** The texts that there are of a meeting which was heard once more: the server's names, and what people are told. */
export const EDITIONS = Object.freeze({
  merged: "Improved text",
  live: "Text as it came live",
  refined: "Second pass alone",
});

/** What a second pass is doing, for the facts of a meeting; null when there is nothing to tell. */
export function describePass(refined) {
  if (refined?.state === "waiting") return "waits for its second pass";
  if (refined?.state === "running") return `second pass with ${refined.model}: ${Math.floor(100 * progressOf(refined))} %`;
  if (refined?.state === "failed") return `second pass failed: ${refined.error}`;
  return null;
}

/** How much of the sound a second pass has heard, from 0 to 1. */
export function progressOf(refined) {
  return refined?.total_s > 0 ? Math.min(1, refined.heard_s / refined.total_s) : 0;
}

/** Whether a second pass goes on. */
export function isUnderWay(refined) {
  return refined?.state === "waiting" || refined?.state === "running";
}

/** A transcript that was exported as JSON, as the messages that a Transcript is made of. */
export function messagesOf({ segments, gaps }) {
  const finals = segments.map(({ id, ...said }, n) => ({ type: "final", event: n + 1, segment: id, ...said }));
  const rest = gaps.map((gap, n) => ({ type: "gap", event: segments.length + n + 1, ...gap }));
  return [...finals, ...rest];
}
