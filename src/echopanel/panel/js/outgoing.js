import { HEADER_BYTES, SAMPLE_RATE } from "./codec.js";
import { leastS } from "./framing.js";
import { Replay } from "./replay.js";

const EAGER = 0; // no interval between decodes is known yet
const MOST = SAMPLE_RATE; // in arrears a frame carries up to a second, so that catching up costs few messages

/**
 * What a client still has to say, in order: audio as credit allows, `stop` last. Outlives connections. Mirrors
 * echopanel.client.outgoing; checked by shared vectors.
 */
export class Outgoing {
  stopping = false;
  #tracks;
  #least = samples(leastS(EAGER));
  #most = MOST;

  constructor(sources) {
    // `leap`: the next piece follows something that was never captured for this session; `looked`: how far it was sent
    // when the server last said how it is doing; `overdue`: it had stood there since the time before.
    const track = () => ({ replay: new Replay(), leap: false, looked: 0, overdue: false });
    this.#tracks = new Map(sources.map((source) => [source, track()]));
  }

  /** Samples that wait to be sent, of the source that has most. */
  get unsent() {
    return Math.max(...this.#replays.map((replay) => replay.unsent));
  }

  /** Samples that had to be thrown away, of all sources. */
  get dropped() {
    return this.#replays.reduce((sum, replay) => sum + replay.dropped, 0);
  }

  /** Captured audio; it is kept until the server has it. */
  add(frame) {
    this.#tracks.get(frame.source).replay.append(frame);
  }

  /** The server keeps everything of a source before `sample`. */
  acknowledge(source, sample) {
    this.#tracks.get(source)?.replay.acknowledge(sample);
  }

  /** Collects more audio for a frame while the server decodes rarely, but lets none wait for a second. */
  follow(chunkIntervalS) {
    this.#least = samples(leastS(chunkIntervalS));
    for (const track of this.#tracks.values()) {
      const { position } = track.replay;
      track.overdue = position === track.looked;
      track.looked = position;
    }
  }

  /** A new connection: goes on from where the server stands, which `ready` says. */
  restart({ resumed, sources, limits }) {
    this.#least = samples(leastS(EAGER));
    const fitting = Math.floor((limits.max_message_bytes - HEADER_BYTES) / Int16Array.BYTES_PER_ELEMENT);
    this.#most = Math.max(1, Math.min(MOST, limits.max_frame_samples, fitting));
    for (const [source, { next }] of Object.entries(sources)) {
      const track = this.#tracks.get(source);
      if (!resumed) track.replay.settle(); // an earlier session has it
      track.replay.acknowledge(next);
      track.replay.rewind(next);
      // A new session in the middle of a meeting never captured what came before it.
      track.leap = !resumed && track.replay.position > next;
    }
  }

  /** What to say now on a connection; null when there is nothing, or no credit for it. */
  next(wire) {
    return this.#nextAudio(wire) ?? this.#lastWord();
  }

  get #replays() {
    return Array.from(this.#tracks.values(), ({ replay }) => replay);
  }

  /** A piece of the source that is furthest behind among those that may send, and have enough to. */
  #nextAudio(wire) {
    let behind = null;
    for (const track of this.#tracks.values()) {
      const first = track.replay.peek();
      const enough = this.stopping || track.overdue || track.replay.unsent >= this.#least;
      if (first === undefined || !enough || wire.allowance(first.source, track.replay.position) === 0) continue;
      if (behind === null || first.capturedMs < behind.replay.peek().capturedMs) behind = track;
    }
    return behind && { type: "audio", frame: this.#take(behind, wire) };
  }

  #take(track, wire) {
    const { source } = track.replay.peek();
    const frame = track.replay.take(Math.min(this.#most, wire.allowance(source, track.replay.position)));
    if (track.leap) frame.skipped = true;
    track.leap = track.overdue = false;
    return frame;
  }

  #lastWord() {
    if (!this.stopping || this.unsent > 0) return null;
    const captured = Array.from(this.#tracks, ([source, { replay }]) => [source, replay.end]);
    return { type: "stop", captured: Object.fromEntries(captured) };
  }
}

function samples(seconds) {
  return Math.round(seconds * SAMPLE_RATE);
}
