import { ERRORS, ProtocolError, codeOfClose, decode, subprotocols } from "./codec.js";
import { Phase } from "./phase.js";
import { Heartbeat, Retry } from "./retry.js";

/**
 * Reads along with a session that somebody else records, or reads one that has ended. Needs `tick` several times a second.
 *
 * `onChange(watcher)` is called when `phase` or what explains it has changed, `onMessage(message)` for every message.
 */
export class Watcher {
  phase = Phase.CONNECTING;
  at = 0; // WAITING: when the next attempt is due, in seconds
  error = null; // {code, message} of what ended the last connection
  lastEvent = 0;
  #retry = new Retry();
  #socket = null;
  #heartbeat = null;
  #options;

  /** `url` is the server's http(s) address; `now` gives seconds on a clock that only goes forward. */
  constructor({ url, token = "", session, now, random = Math.random, onChange, onMessage }) {
    this.#options = { url, token, session, now, random, onChange, onMessage };
  }

  connect() {
    this.#open();
  }

  /** Reads no further. */
  close() {
    this.#hangUp();
    this.#change(Phase.STOPPED);
  }

  /** Tries again at once, and as patiently as at first. */
  reconnect() {
    this.#retry.reset();
    this.#attempt();
  }

  /** Tries again with another token. */
  authorize(token) {
    this.#options.token = token;
    this.reconnect();
  }

  /** Does what is due. */
  tick() {
    const now = this.#options.now();
    if (this.phase === Phase.WAITING && now >= this.at) this.#attempt();
    if (this.#socket !== null && this.#heartbeat.isDead(now)) this.#failed(null, "the server does not answer");
  }

  #attempt() {
    const wait = this.#retry.attempt(this.#options.now());
    if (wait > 0) this.#wait(wait);
    else this.#open();
  }

  #open() {
    const { url, token, session, now } = this.#options;
    this.#hangUp();
    const address = new URL(`/v1/sessions/${encodeURIComponent(session)}/events?after=${this.lastEvent}`, url);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address, subprotocols(token));
    this.#socket = socket;
    this.#heartbeat = new Heartbeat(now());
    this.#change(Phase.CONNECTING);
    // What an earlier socket still says does not matter any more.
    const current = (handle) => (event) => this.#socket === socket && handle(event);
    socket.onmessage = current((event) => this.#hear(event.data));
    socket.onclose = current((event) => this.#failed(codeOfClose(event.code), event.reason));
  }

  #hear(data) {
    this.#heartbeat.heard(this.#options.now());
    try {
      const message = decode(data);
      if (message !== null) this.#handle(message);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#failed("malformed", error.message);
    }
  }

  #handle(message) {
    if (message.type === "error" && message.fatal !== false) {
      this.#failed(message.code, message.message, message.retry_after);
      return;
    }
    if (this.phase === Phase.CONNECTING) this.#ready();
    this.lastEvent = Math.max(this.lastEvent, message.event ?? 0);
    this.#options.onMessage(message);
    if (message.type === "stopped") this.close();
  }

  #ready() {
    this.#retry.ready(this.#options.now());
    this.error = null;
    this.#change(Phase.LIVE);
  }

  #failed(code, message, retryAfter = 0) {
    this.#hangUp();
    this.error = { code, message };
    if (code === "unauthorized") {
      this.#change(Phase.DENIED);
    } else if (code !== null && ERRORS[code]?.retryable === false) {
      this.#change(Phase.REFUSED);
    } else {
      const wait = this.#retry.failed(this.#options.now(), this.#options.random(), retryAfter);
      if (wait === null) this.#change(Phase.LOST);
      else this.#wait(wait);
    }
  }

  #wait(seconds) {
    this.at = this.#options.now() + seconds;
    this.#change(Phase.WAITING);
  }

  #hangUp() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #change(phase) {
    this.phase = phase;
    this.#options.onChange(this);
  }
}
