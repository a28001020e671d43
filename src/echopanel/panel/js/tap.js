/* global AudioWorkletProcessor, currentFrame, registerProcessor */

const BLOCK = 1024;
// The audio clock stands still while the computer sleeps or the tab is frozen; only then does time pass between calls.
const STALL_MS = 1000;

/**
 * Hands on what it hears, mixed down to mono, in blocks of 1024 samples; runs on the audio thread.
 *
 * `stalledMs` of a block: for how long nothing had been heard before it, or in the middle of it; 0 if the clock never stood.
 * Only this thread can tell: the page may be reading, after a sleep, what was heard before.
 */
class Tap extends AudioWorkletProcessor {
  #samples = new Float32Array(BLOCK);
  #filled = 0;
  #calledAt = Date.now();
  #stalledMs = 0;
  #open = true;

  constructor() {
    super();
    this.port.onmessage = () => {
      this.#open = false;
    };
  }

  process([channels]) {
    const now = Date.now();
    if (now - this.#calledAt > STALL_MS) this.#stalledMs = now - this.#calledAt;
    this.#calledAt = now;
    this.#mix(channels);
    if (this.#filled === BLOCK) this.#hand();
    return this.#open;
  }

  /** 128 samples, which divide a block; no channels mean silence. */
  #mix(channels) {
    const length = channels[0]?.length ?? 128;
    for (let i = 0; i < length; i += 1) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.#samples[this.#filled + i] = channels.length > 0 ? sum / channels.length : 0;
    }
    this.#filled += length;
  }

  #hand() {
    const samples = this.#samples;
    const frame = currentFrame + 128 - BLOCK;
    this.port.postMessage({ frame, samples, stalledMs: this.#stalledMs }, [samples.buffer]);
    this.#samples = new Float32Array(BLOCK);
    this.#filled = 0;
    this.#stalledMs = 0;
  }
}

registerProcessor("tap", Tap);
