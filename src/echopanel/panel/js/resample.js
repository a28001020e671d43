import { SAMPLE_RATE } from "./codec.js";

const ATTENUATION_DB = 80;
const PASS = 0.9; // of the lower Nyquist frequency is kept; from it on everything is rejected

/**
 * Mono float samples at any rate to 16 kHz, in pieces of any length: a polyphase filter with a Kaiser window.
 *
 * Exact in time: output sample k is the signal at k / 16000 s, and n input samples give ceil(n * 16000 / rate)
 * output samples once `flush` was called. Formulas: Kaiser, "Nonrecursive digital filter design", 1974.
 */
export class Resampler {
  #up; // outputs come at input times k * down / up
  #down;
  #half; // taps on each side
  #phases;
  #input; // what later outputs still need
  #taken; // index of the input sample behind the newest in #input
  #made = 0;

  constructor(rate) {
    const divisor = gcd(SAMPLE_RATE, rate);
    this.#up = SAMPLE_RATE / divisor;
    this.#down = rate / divisor;
    const nyquist = Math.min(SAMPLE_RATE, rate) / rate / 2; // in cycles per input sample
    const transition = nyquist * (1 - PASS);
    this.#half = Math.ceil((ATTENUATION_DB - 8) / (2.285 * 2 * Math.PI * transition) / 2);
    this.#phases = this.#up === this.#down ? null : polyphase(this.#up, this.#half, nyquist - transition / 2);
    this.#input = new Float32Array(this.#half); // silence before the beginning
    this.#taken = 0;
  }

  /** What can be told of the output with these further samples. */
  push(samples) {
    if (this.#phases === null) return samples.slice();
    this.#input = concatenate(this.#input, samples);
    this.#taken += samples.length;
    return this.#make(this.#taken - this.#half);
  }

  /** The rest; nothing may be pushed behind it. */
  flush() {
    if (this.#phases === null) return new Float32Array(0);
    this.#input = concatenate(this.#input, new Float32Array(this.#half));
    this.#taken += this.#half;
    return this.#make(this.#taken - this.#half);
  }

  /** All outputs at input times before `until`. */
  #make(until) {
    const count = Math.max(0, Math.ceil((until * this.#up) / this.#down) - this.#made);
    const output = new Float32Array(count);
    const base = this.#taken - this.#input.length;
    for (let i = 0; i < count; i += 1) {
      const time = (this.#made + i) * this.#down; // in units of 1 / up input samples
      const at = Math.floor(time / this.#up);
      output[i] = dot(this.#input, at - this.#half + 1 - base, this.#phases[time % this.#up]);
    }
    this.#made += count;
    this.#forget(base);
    return output;
  }

  #forget(base) {
    const needed = Math.floor((this.#made * this.#down) / this.#up) - this.#half + 1;
    this.#input = this.#input.slice(Math.max(0, needed - base));
  }
}

/** One filter of 2 * half taps for each of `up` places between two input samples. */
function polyphase(up, half, cutoff) {
  const beta = 0.1102 * (ATTENUATION_DB - 8.7);
  return Array.from({ length: up }, (_, phase) => {
    const taps = Float64Array.from({ length: 2 * half }, (__, i) => {
      const t = i - half + 1 - phase / up;
      return 2 * cutoff * sinc(2 * cutoff * t) * kaiser(t / half, beta);
    });
    const gain = taps.reduce((sum, tap) => sum + tap, 0);
    return taps.map((tap) => tap / gain);
  });
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** The Kaiser window at x in [-1, 1]. */
function kaiser(x, beta) {
  return Math.abs(x) > 1 ? 0 : bessel0(beta * Math.sqrt(1 - x * x)) / bessel0(beta);
}

/** The modified Bessel function of the first kind, order zero, by its power series. */
function bessel0(x) {
  let sum = 1;
  for (let term = 1, k = 1; term > sum * 1e-12; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function dot(samples, from, taps) {
  let sum = 0;
  for (let i = 0; i < taps.length; i += 1) sum += samples[from + i] * taps[i];
  return sum;
}

function concatenate(a, b) {
  const both = new Float32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function gcd(a, b) {
  return b === 0 ? a : gcd(b, a % b);
}
