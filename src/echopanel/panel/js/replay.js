import { SAMPLE_RATE } from "./codec.js";

/**
 * Audio of one source that the server has not acknowledged, in ascending order, with a cursor for sending: what to
 * send next, and what to send again. Mirrors echopanel.policy.replay; checked by shared vectors.
 */
export class Replay {
  samples = 0;
  dropped = 0; // samples that were thrown away unacknowledged, because they were too many
  end = 0;
  #kept = [];
  #settled = []; // acknowledged not long ago
  #again = 0; // samples of those
  #cursor = 0;
  #next = 0; // index of the frame in which or before which the cursor is
  #behind = 0; // kept samples before the cursor
  #maxSamples;
  #maxAgain;

  /**
   * `seconds`: how much to keep; the default covers all attempts to reconnect. `again` seconds of acknowledged audio
   * are kept besides, for a server that lost them in a power cut.
   */
  constructor(seconds = 600, again = 60) {
    this.#maxSamples = seconds * SAMPLE_RATE;
    this.#maxAgain = again * SAMPLE_RATE;
  }

  /** Samples from the cursor on. */
  get unsent() {
    return this.samples - this.#behind;
  }

  /** Everything kept that lies before this sample has been sent. */
  get position() {
    return Math.max(this.#cursor, this.peek()?.start ?? this.end);
  }

  /** Keeps a frame that begins where the newest ends, or later; drops the oldest beyond the limit. */
  append(frame) {
    this.#kept.push(frame);
    this.samples += frame.pcm.length;
    this.end = endOf(frame);
    while (this.samples > this.#maxSamples) {
      this.dropped += this.#forgetOldest().pcm.length;
    }
  }

  /** The server keeps everything before `sample`. */
  acknowledge(sample) {
    while (this.#kept.length > 0 && endOf(this.#kept[0]) <= sample) {
      const frame = this.#forgetOldest();
      this.#settled.push(frame);
      this.#again += frame.pcm.length;
      while (this.#again > this.#maxAgain) this.#again -= this.#settled.shift().pcm.length;
    }
    if (sample > this.#cursor) this.rewind(sample);
  }

  /** What was acknowledged will not be wanted again. */
  settle() {
    this.#settled = [];
    this.#again = 0;
  }

  /** Sends from `sample` on, also what was sent before, and even what was acknowledged. */
  rewind(sample) {
    while (this.#settled.length > 0 && endOf(this.#settled.at(-1)) > sample) {
      const frame = this.#settled.pop();
      this.#kept.unshift(frame);
      this.#again -= frame.pcm.length;
      this.samples += frame.pcm.length;
    }
    this.#cursor = sample;
    this.#next = this.#behind = 0;
    for (const frame of this.#kept) {
      if (endOf(frame) > sample) {
        this.#behind += Math.max(0, sample - frame.start);
        return;
      }
      this.#next += 1;
      this.#behind += frame.pcm.length;
    }
  }

  /** The frame in which the cursor is, or the one behind it. */
  peek() {
    return this.#kept[this.#next];
  }

  /** At most `limit` samples from the cursor on, in one piece without holes; the cursor moves behind it. */
  take(limit) {
    const first = this.peek();
    if (first === undefined || limit <= 0) return null;
    const start = Math.max(this.#cursor, first.start);
    const pcm = new Int16Array(Math.min(limit, this.#stretch(start, limit)));
    this.#copy(start, pcm);
    this.#cursor = start + pcm.length;
    this.#behind += pcm.length;
    while (this.#next < this.#kept.length && endOf(this.#kept[this.#next]) <= this.#cursor) this.#next += 1;
    const capturedMs = first.capturedMs + ((start - first.start) * 1000) / SAMPLE_RATE;
    return { source: first.source, start, pcm, capturedMs, skipped: first.skipped && start === first.start };
  }

  /** Samples from `start` on that follow each other without a hole; no need to look beyond `limit`. */
  #stretch(start, limit) {
    let end = endOf(this.peek());
    for (let i = this.#next + 1; i < this.#kept.length && end - start < limit; i += 1) {
      if (this.#kept[i].start !== end || this.#kept[i].skipped) break;
      end = endOf(this.#kept[i]);
    }
    return end - start;
  }

  #copy(start, pcm) {
    for (let i = this.#next, filled = 0; filled < pcm.length; i += 1) {
      const from = start + filled - this.#kept[i].start;
      const part = this.#kept[i].pcm.subarray(from, from + pcm.length - filled);
      pcm.set(part, filled);
      filled += part.length;
    }
  }

  #forgetOldest() {
    const oldest = this.#kept.shift();
    this.samples -= oldest.pcm.length;
    this.#behind = Math.max(0, this.#behind - oldest.pcm.length);
    this.#next = Math.max(0, this.#next - 1);
    return oldest;
  }
}

function endOf(frame) {
  return frame.start + frame.pcm.length;
}
