/**
 * When to try again: the same rules as echopanel.policy of the Python client, checked by shared vectors.
 * Times are seconds on any clock that only goes forward; chance comes from outside.
 */

/** Exponential, capped; the jitter multiplies the capped delay, so that it never vanishes in a long outage. */
export function backoff(attempt, u, cap = 60) {
  return Math.min(2 ** attempt, cap) * (0.8 + 0.4 * u);
}

/** The share of what the server asked for that is added at random: it asks everybody alike. */
const SPREAD = 0.5;

/** Leaves a server alone that keeps failing, then asks with one probe whether it is back. */
export class Breaker {
  #state = "closed"; // closed: everybody may try; open: nobody; half open: one probe is under way
  #failures = 0;
  #until = 0; // the end of `open`, or the probe's deadline
  #limits;

  constructor({ failures = 5, openS = 60, probeS = 30 } = {}) {
    this.#limits = { failures, openS, probeS };
  }

  /** Whether to try now; when it was open, whoever gets true is the probe. */
  allow(now) {
    this.#expire(now);
    if (this.#state === "open" && now >= this.#until) {
      this.#state = "half open";
      this.#until = now + this.#limits.probeS;
      return true;
    }
    return this.#state === "closed";
  }

  /** Seconds until `allow` may say yes. */
  retryIn(now) {
    this.#expire(now);
    return this.#state === "closed" ? 0 : Math.max(0, this.#until - now);
  }

  succeed() {
    this.#state = "closed";
    this.#failures = 0;
  }

  fail(now) {
    this.#expire(now);
    this.#failures += 1;
    const tripped = this.#state === "closed" && this.#failures >= this.#limits.failures;
    if (tripped || this.#state === "half open") this.#open(now);
  }

  /** A probe that is beyond its deadline has failed at the deadline. */
  #expire(now) {
    if (this.#state === "half open" && now >= this.#until) {
      this.#failures += 1;
      this.#open(this.#until);
    }
  }

  #open(now) {
    this.#state = "open";
    this.#until = now + this.#limits.openS;
  }
}

/** Attempts in a row, slowed down by backoff and breaker. */
export class Retry {
  #breaker;
  #maxAttempts;
  #quickS; // a connection that ends sooner than this after it was ready counts as one more failure
  #attempts = 0;
  #readyAt = null;

  constructor({ breaker = new Breaker(), attempts = 15, quickS = 5 } = {}) {
    this.#breaker = breaker;
    this.#maxAttempts = attempts;
    this.#quickS = quickS;
  }

  /** The server has said `ready`. */
  ready(now) {
    this.#readyAt = now;
  }

  /**
   * The connection, or the attempt to get one, has ended; `atLeast` is what the server asked us to wait.
   * Returns seconds until the next attempt, or null to give up.
   */
  failed(now, u, atLeast = 0) {
    const lasted = this.#readyAt !== null && now - this.#readyAt >= this.#quickS;
    this.#readyAt = null;
    if (lasted) this.reset();
    else this.#breaker.fail(now);
    if (this.#attempts >= this.#maxAttempts) return null;
    return Math.max(backoff(this.#attempts, u), this.#breaker.retryIn(now), atLeast * (1 + SPREAD * u));
  }

  /** Begins the next attempt; returns seconds still to wait, or 0 when it is under way. */
  attempt(now) {
    if (!this.#breaker.allow(now)) return this.#breaker.retryIn(now);
    this.#attempts += 1;
    return 0;
  }

  /** Forgets all failures: a connection has lasted, or somebody asks by hand. */
  reset() {
    this.#attempts = 0;
    this.#breaker.succeed();
  }
}

/** When to ask the other side whether it is there, and when to believe that it is not. */
export class Heartbeat {
  #pingS;
  #deadS;
  #heardAt;
  #askedAt;

  constructor(now, { pingS = 10, deadS = 15 } = {}) {
    this.#pingS = pingS;
    this.#deadS = deadS;
    this.#heardAt = now;
    this.#askedAt = now;
  }

  heard(now) {
    this.#heardAt = now;
  }

  asked(now) {
    this.#askedAt = now;
  }

  pingDue(now) {
    return now >= this.#askedAt + this.#pingS;
  }

  isDead(now) {
    return now >= this.#heardAt + this.#deadS;
  }
}
