import { SAMPLE_RATE } from "./codec.js";

/**
 * What was said, folded from the server's messages as echopanel.transcript does it.
 *
 * A line is `{key, kind, source, start, ...}`: of kind `speech` with `stable`, `tail` and `final`, or of kind `gap` with
 * `end`, `status` (`pending` or `lost`) and `seconds`. `start` is in seconds on the session clock.
 *
 * Of words that the microphone only heard out of the loudspeakers `stable` has none; `parts` (`[{text, echo}]`, null
 * where there are no such words) has all, and `echo` says that there are no others. Of text that is not final `echo` says
 * whether it is only that so far, and `overheard` has the words before `stable` and `tail` that are.
 */
export class Transcript {
  #session = "";
  #lines = new Map();
  #events = new Map(); // the numbers of the finals, by the keys of their lines
  #gaps = []; // {event, source, from, to, status, reason}, in samples
  hasEcho = false; // whether the microphone heard the others out of the loudspeakers
  #shifts = {}; // per source: session clock minus sample clock, in seconds

  /** `session`: whose messages these are, where no `ready` says so. */
  constructor(session = "") {
    this.#session = session;
  }

  /** The lines in the order they were spoken. */
  get lines() {
    return [...this.#lines.values()].sort((a, b) => a.start - b.start);
  }

  /** Applies a message; returns what changed: `[{put: line} or {remove: key}]`. */
  apply(message) {
    switch (message.type) {
      case "ready":
        this.#session = message.session;
        return this.#forget(message.last_event ?? Infinity);
      case "watching":
        return this.#forget(message.last_event);
      case "partial":
        return this.#partial(message);
      case "final":
        this.#events.set(this.#key(message.segment), message.event);
        return this.#arrive([message]);
      case "revision":
        return [...message.replaces.flatMap((id) => this.#remove(this.#key(id))), ...this.#arrive(message.segments)];
      case "gap":
        return this.#gap(message);
      case "stopped":
        return this.lines.filter((line) => line.final === false).flatMap((line) => this.#remove(line.key));
      default:
        return [];
    }
  }

  /** The finished text as people paste it: one line per utterance, with its time and who spoke; of chosen lines only. */
  toText(names, chosen = () => true) {
    const spoken = this.lines.filter((line) => line.kind === "speech" && line.final && line.stable && chosen(line));
    return spoken.map((line) => `[${clock(line.start)}] ${names[line.source]}: ${line.stable}\n`).join("");
  }

  /** The server has lost what came behind event `last`; what can be heard again comes again. */
  #forget(last) {
    const gone = [...this.#events].filter(([key, event]) => event > last && key.startsWith(this.#key("")));
    for (const [key] of gone) this.#events.delete(key);
    const gaps = this.#gaps.filter((gap) => gap.event > last);
    this.#gaps = this.#gaps.filter((gap) => gap.event <= last);
    return [...gone.map(([key]) => key), ...gaps.map((gap) => this.#gapKey(gap))].flatMap((key) => this.#remove(key));
  }

  #partial({ segment, source, start, revision, stable, tail, bleed: echo = false, bleed_words: leading = 0 }) {
    const key = this.#key(segment);
    const known = this.#lines.get(key);
    if (known?.final || known?.revision > revision) return [];
    if (!stable && !tail) return this.#remove(key); // taken back: there was nothing to be heard
    const [overheard, own] = cut(stable, leading);
    const [more, rest] = cut(tail, leading - wordsOf(overheard).length);
    const line = { key, kind: "speech", source, start, revision, stable: own, tail: rest, final: false };
    return this.#put({ ...line, echo: echo || !(own || rest), overheard: `${overheard} ${more}`.trim() });
  }

  #arrive(segments) {
    return segments.flatMap((segment) => {
      const { source, start, text, start_sample: from, end_sample: to } = segment;
      if (from !== undefined) this.#shifts[source] = start - from / SAMPLE_RATE;
      const key = this.#key(segment.segment);
      const line = { key, kind: "speech", source, start, ...heard(segment), tail: "", final: true };
      this.hasEcho ||= line.parts !== null;
      return [...(text ? this.#put(line) : this.#remove(key)), ...this.#settle(source, from, to)];
    });
  }

  #gap({ event, source, start_sample: from, end_sample: to, status, reason }) {
    const settled = this.#settle(source, from, to);
    if (status === "silence") return settled;
    this.#gaps.push({ event, source, from, to, status, reason });
    return [...settled, ...this.#put(this.#gapLine(this.#gaps.at(-1)))];
  }

  /** What arrives for [from, to) takes that range out of the source's pending gaps. */
  #settle(source, from, to) {
    const touched = (gap) => gap.source === source && gap.status === "pending" && gap.from < to && gap.to > from;
    const changes = [];
    this.#gaps = this.#gaps.flatMap((gap) => {
      if (!touched(gap)) return [gap];
      const rest = [{ ...gap, to: Math.min(from, gap.to) }, { ...gap, from: Math.max(to, gap.from) }];
      const left = rest.filter((piece) => piece.from < piece.to);
      changes.push(...this.#remove(this.#gapKey(gap)), ...left.flatMap((piece) => this.#put(this.#gapLine(piece))));
      return left;
    });
    return changes;
  }

  #gapLine(gap) {
    const start = gap.from / SAMPLE_RATE + (this.#shifts[gap.source] ?? 0);
    const seconds = (gap.to - gap.from) / SAMPLE_RATE;
    const { source, status, reason } = gap;
    return { key: this.#gapKey(gap), kind: "gap", source, start, end: start + seconds, status, reason, seconds };
  }

  #gapKey(gap) {
    return this.#key(`gap ${gap.event} ${gap.from}`);
  }

  /** Segments of a session that had to begin anew may be named like earlier ones. */
  #key(name) {
    return `${this.#session} ${name}`;
  }

  /** The keys of lines by the names of their segments, as a `revision` names them. */
  keysOf(segments) {
    return segments.map((name) => this.#key(name));
  }

  #put(line) {
    this.#lines.set(line.key, line);
    return [{ put: line }];
  }

  #remove(key) {
    return this.#lines.delete(key) ? [{ remove: key }] : [];
  }
}

/** A text in two: its first `count` words, and the rest. */
function cut(text, count) {
  const words = wordsOf(text);
  return count > 0 ? [words.slice(0, count).join(" "), words.slice(count).join(" ")] : ["", text];
}

function wordsOf(text) {
  return text.split(/\s+/).filter(Boolean);
}

function heard({ text, words = [] }) {
  if (!words.some((word) => word.bleed)) return { stable: text, parts: null, echo: false };
  const parts = words.map((word) => ({ text: word.text, echo: word.bleed === true }));
  const stable = parts.filter((part) => !part.echo).map((part) => part.text).join(" ");
  return { stable, parts, echo: stable === "" };
}

/** Seconds as people read them: 4:07, 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = String(rest).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}
