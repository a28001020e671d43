import { SAMPLE_RATE } from "./codec.js";

const DAY_MS = 86_400_000;
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const DAY_OF_YEAR = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** The day of a time (ISO 8601) as people call it: Today, Yesterday, Tuesday 4 May. */
export function day(text) {
  const date = new Date(text);
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (date >= midnight) return "Today";
  if (date >= midnight - DAY_MS) return "Yesterday";
  return (date.getFullYear() === new Date().getFullYear() ? DAY : DAY_OF_YEAR).format(date);
}

/** The time of day. */
export function time(text) {
  return CLOCK.format(new Date(text));
}

/** Both. */
export function when(text) {
  return `${day(text)}, ${time(text)}`;
}

/** How long a session of the server's listing was, in seconds: what was recorded, or else how long it was open. */
export function lengthOf({ created, ended, coverage }) {
  const recorded = Math.max(0, ...Object.values(coverage).map((ledger) => ledger.captured)) / SAMPLE_RATE;
  return recorded || (Date.parse(ended) - Date.parse(created)) / 1000;
}

/** Local date and time as it sorts, and as every system takes it in a file name. */
export function stamp(date) {
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}.${two(date.getMinutes())}`;
}
