const FLOOR_DB = -60; // what a meter shows as nothing
const FALL_DB_PER_S = 40;
const SIGNAL_DB = -55; // quieter than this is no signal: the noise of an open microphone is above
const FULL_SCALE = 32768;

/** How loud a source is: what its meter shows, and for how long nothing was heard. Times are in seconds. */
export class Level {
  #db = FLOOR_DB;
  #at;
  #heardAt;

  constructor(now) {
    this.#at = now;
    this.#heardAt = now;
  }

  /** Notes some s16 samples. */
  push(pcm, now) {
    const db = loudness(pcm);
    if (db > SIGNAL_DB) this.#heardAt = now;
    this.#db = Math.max(db, this.#fallen(now));
    this.#at = now;
  }

  /** 0 (nothing) to 1 (full scale), rising at once and falling slowly. */
  shown(now) {
    return 1 - this.#fallen(now) / FLOOR_DB;
  }

  /** Seconds since there was a signal. */
  quietFor(now) {
    return now - this.#heardAt;
  }

  /** Begins to wait for a signal anew. */
  restart(now) {
    this.#heardAt = now;
    this.#db = FLOOR_DB;
  }

  #fallen(now) {
    return Math.max(FLOOR_DB, this.#db - FALL_DB_PER_S * (now - this.#at));
  }
}

/** Root mean square in dB below full scale. */
function loudness(pcm) {
  let energy = 0;
  for (const sample of pcm) energy += sample * sample;
  return 10 * Math.log10(energy / pcm.length / FULL_SCALE ** 2 + 1e-12);
}
