import { SAMPLE_RATE } from "./codec.js";
import { Resampler } from "./resample.js";

const FRAME_SAMPLES = SAMPLE_RATE / 20; // 50 ms
const FULL_SCALE = 32768;

/**
 * One source's captured blocks to frames: 16 kHz, s16, 50 ms, numbered from the first sample that was ever captured.
 *
 * A stretch that was not captured (muted, unplugged, asleep) makes the numbers jump by its length on the capture
 * clock, and sets `skipped` on the frame behind it.
 */
export class Framer {
  next = 0; // index of the first sample of the next frame
  #source;
  #zeroMs = null; // when sample 0 was captured
  #run = null; // what goes on without a hole: {resampler, pending, start, startMs, skipped}

  constructor(source) {
    this.#source = source;
  }

  /** Float samples at `rate` whose first was captured at `capturedMs`; they follow the last ones or an interruption. */
  push(samples, rate, capturedMs) {
    this.#run ??= this.#begin(rate, capturedMs);
    return this.#cut(this.#run.resampler.push(samples), FRAME_SAMPLES);
  }

  /** No more comes for now; returns the frames of what was under way. */
  interrupt() {
    if (this.#run === null) return [];
    const frames = this.#cut(this.#run.resampler.flush(), 1);
    this.#run = null;
    return frames;
  }

  #begin(rate, capturedMs) {
    this.#zeroMs ??= capturedMs;
    const start = Math.max(this.next, Math.round(((capturedMs - this.#zeroMs) * SAMPLE_RATE) / 1000));
    const skipped = start > this.next;
    this.next = start;
    return { resampler: new Resampler(rate), pending: new Int16Array(0), start, startMs: capturedMs, skipped };
  }

  /** Frames of what is pending and new, the last of them with at least `least` samples. */
  #cut(samples, least) {
    const run = this.#run;
    const pcm = toPcm16(run.pending, samples);
    const frames = [];
    let at = 0;
    while (pcm.length - at >= least) {
      frames.push(this.#frame(pcm.slice(at, at + FRAME_SAMPLES)));
      at += frames.at(-1).pcm.length;
      run.skipped = false;
    }
    run.pending = pcm.slice(at);
    return frames;
  }

  #frame(pcm) {
    const { start: first, startMs, skipped } = this.#run;
    const start = this.next;
    this.next += pcm.length;
    return { source: this.#source, start, pcm, capturedMs: startMs + ((start - first) * 1000) / SAMPLE_RATE, skipped };
  }
}

function toPcm16(before, samples) {
  const pcm = new Int16Array(before.length + samples.length);
  pcm.set(before);
  for (let i = 0; i < samples.length; i += 1) {
    pcm[before.length + i] = Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round(samples[i] * FULL_SCALE)));
  }
  return pcm;
}
