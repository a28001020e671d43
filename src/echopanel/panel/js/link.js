import { ERRORS, ProtocolError, codeOfClose, subprotocols } from "./codec.js";
import { Phase } from "./phase.js";
import { Heartbeat, Retry } from "./retry.js";

const unmended = () => false;

/**
 * The way to a server: one socket at a time, what ended the last one, and when to try the next. Needs `tick` several
 * times a second.
 *
 * `path()` gives the address of the next attempt. `onOpen()` and `onData(data)` tell of the socket, `onChange()` that
 * `phase` or what explains it has changed. `onFinal(code)` may make good an error that is final otherwise, and returns
 * whether it did.
 */
export class Link {
  phase = Phase.CONNECTING;
  at = 0; // WAITING: when the next attempt is due, in seconds
  error = null; // {code, message} of what ended the last connection
  token;
  #retry = new Retry();
  #socket = null;
  #heartbeat = null;
  #options;

  /** `url` is the server's http(s) address; `now` gives seconds on a clock that only goes forward. */
  constructor({ url, path, token = "", now, random = Math.random, onOpen, onData, onChange, onFinal = unmended }) {
    this.token = token;
    this.#options = { url, path, now, random, onOpen, onData, onChange, onFinal };
  }

  /** Whether there is a socket that takes more than `bytes` that wait in it already. */
  takes(bytes) {
    return this.#socket !== null && this.#socket.bufferedAmount < bytes;
  }

  /** Whether it is time to ask the server whether it is there. */
  get pingDue() {
    return this.phase === Phase.LIVE && this.#heartbeat.pingDue(this.#options.now());
  }

  /** Connects, whatever the policy says. */
  open() {
    const { url, path, now, onOpen } = this.#options;
    this.#hangUp();
    const address = new URL(path(), url);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address, subprotocols(this.token));
    this.#socket = socket;
    this.#heartbeat = new Heartbeat(now());
    this.#change(Phase.CONNECTING);
    // What an earlier socket still says does not matter any more.
    const current = (handle) => (event) => this.#socket === socket && handle(event);
    socket.onopen = current(() => onOpen?.());
    socket.onmessage = current((event) => this.#hear(event.data));
    socket.onclose = current((event) => this.failed(codeOfClose(event.code), event.reason));
  }

  /** Connects, or waits until the policy allows it. */
  attempt() {
    const wait = this.#retry.attempt(this.#options.now());
    if (wait > 0) this.#wait(wait);
    else this.open();
  }

  /** Tries again at once, and as patiently as at first. */
  reconnect() {
    this.#retry.reset();
    this.attempt();
  }

  /** Tries again with another token. */
  authorize(token) {
    this.token = token;
    this.reconnect();
  }

  send(data) {
    this.#socket.send(data);
  }

  /** A ping was sent. */
  asked() {
    this.#heartbeat.asked(this.#options.now());
  }

  /** The server has let us in. */
  ready() {
    this.#retry.ready(this.#options.now());
    this.error = null;
    this.#change(Phase.LIVE);
  }

  /** The connection has ended, or there never was one; `code` is null where nobody knows why. */
  failed(code, message, retryAfter = 0) {
    const { now, random, onFinal } = this.#options;
    this.#hangUp();
    this.error = { code, message };
    if (code === "unauthorized") {
      this.#change(Phase.DENIED);
    } else if (code !== null && ERRORS[code]?.retryable === false) {
      if (onFinal(code)) this.open();
      else this.#change(Phase.REFUSED);
    } else {
      const wait = this.#retry.failed(now(), random(), retryAfter);
      if (wait === null) this.#change(Phase.LOST);
      else this.#wait(wait);
    }
  }

  /** Ends it for good. */
  close() {
    this.#hangUp();
    this.#change(Phase.STOPPED);
  }

  /** Does what is due. */
  tick() {
    const now = this.#options.now();
    if (this.phase === Phase.WAITING && now >= this.at) this.attempt();
    if (this.#socket !== null && this.#heartbeat.isDead(now)) this.failed(null, "the server does not answer");
  }

  #hear(data) {
    this.#heartbeat.heard(this.#options.now());
    try {
      this.#options.onData(data);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.failed("malformed", error.message);
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
    this.#options.onChange();
  }
}
