import { SAMPLE_RATE } from "./codec.js";

/** A length of time as people say it: 40 s, 12 min, 1 h 5 min. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** What became of everything that was heard, from the ledgers of all sources: `{tone, text}`. */
export function accounted(coverage) {
  const sum = (name) => Object.values(coverage).reduce((total, ledger) => total + ledger[name], 0) / SAMPLE_RATE;
  const [captured, pending, lost] = [sum("captured"), sum("pending"), sum("lost")];
  if (captured === 0) return { tone: "idle", text: "Nothing was heard" };
  if (lost >= 0.05) return { tone: "warn", text: `${short(lost)} could not be recognised` };
  if (pending >= 0.05) return { tone: "warn", text: `${short(pending)} not recognised yet` };
  return { tone: "good", text: "Complete" };
}

/** The same as a sentence. */
export function summarise(coverage) {
  const { tone, text } = accounted(coverage);
  return tone === "warn" ? `${text}.` : "Everything that was heard is in the transcript.";
}

function short(seconds) {
  return seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds);
}

/** A delay as people read it at a glance: 0.6 s, 12 s. */
export function delay(seconds) {
  return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}
