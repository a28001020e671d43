/** What a server under load does, by the level that it tells of: `{name, why}` in plain words. */
const LEVELS = [
  { name: "Full", why: "" },
  { name: "Text comes less often", why: "This computer has a lot to do, so text comes a little later." },
  { name: "Quicker model", why: "This computer has too much to do, so a quicker model listens. It makes more mistakes." },
  { name: "One side later", why: "This computer has too much to do, so one side is kept and becomes text later." },
  { name: "Stand-in model", why: "The speech model has failed. Another one stands in until it works again." },
];

/** Why a piece has no text, or none yet. */
const GAPS = {
  backlog_full: "this computer has too much to do",
  overload: "this computer has too much to do",
  recogniser_busy: "this computer has too much to do",
  recogniser_failed: "the recogniser failed",
  not_received: "the sound never arrived",
};

/** The quality of a `flow` message; a level that is not known is told in the server's words. */
export function quality({ level, plan }) {
  return LEVELS[level] ?? { name: plan, why: `Quality is reduced: ${plan}.` };
}

/** Why the server changed the quality, with load in percent, as it is shown everywhere else. */
export function reasonOf({ reason }) {
  return reason.replace(/^(load\D*) ([\d.]+)$/, (_, what, load) => `${what} ${Math.round(100 * load)} %`);
}

/** A gap of a transcript as a line of text. */
export function describeGap({ status, seconds, reason }) {
  const length = seconds < 3 ? seconds.toFixed(1) : Math.round(seconds);
  const what = status === "pending" ? "being recognised later" : "could not be recognised";
  return `${length} s ${what}${GAPS[reason] ? `: ${GAPS[reason]}` : ""}`;
}
