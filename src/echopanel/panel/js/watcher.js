import { decode } from "./codec.js";
import { Link } from "./link.js";
import { Phase } from "./phase.js";

/**
 * Reads along with a session that somebody else records, or reads one that has ended. Needs `tick` several times a second.
 *
 * `onChange(watcher)` is called when `phase` or what explains it has changed, `onMessage(message)` for every message.
 */
export class Watcher {
  lastEvent = 0;
  #link;
  #onMessage;

  /** `url` is the server's http(s) address; `now` gives seconds on a clock that only goes forward. */
  constructor({ url, token, session, now, random, onChange, onMessage }) {
    this.#onMessage = onMessage;
    this.#link = new Link({
      url, token, now, random,
      path: () => `/v1/sessions/${encodeURIComponent(session)}/events?after=${this.lastEvent}`,
      onData: (data) => this.#hear(decode(data)),
      onChange: () => onChange(this),
    });
  }

  get phase() {
    return this.#link.phase;
  }

  /** While WAITING: when the next attempt is due, in seconds. */
  get at() {
    return this.#link.at;
  }

  /** `{code, message}` of what ended the last connection, or null. */
  get error() {
    return this.#link.error;
  }

  connect() {
    this.#link.open();
  }

  /** Reads no further. */
  close() {
    this.#link.close();
  }

  /** Tries again at once, and as patiently as at first. */
  reconnect() {
    this.#link.reconnect();
  }

  /** Tries again with another token. */
  authorize(token) {
    this.#link.authorize(token);
  }

  /** Does what is due. */
  tick() {
    this.#link.tick();
  }

  #hear(message) {
    if (message === null) return;
    if (message.type === "error" && message.fatal !== false) {
      this.#link.failed(message.code, message.message, message.retry_after);
      return;
    }
    if (this.phase === Phase.CONNECTING) this.#link.ready();
    // A server that lost power may have less than we have seen; its numbers of what comes again are new ones.
    if (message.type === "watching") this.lastEvent = message.last_event;
    this.lastEvent = Math.max(this.lastEvent, message.event ?? 0);
    this.#onMessage(message);
    if (message.type === "stopped") this.close();
  }
}
