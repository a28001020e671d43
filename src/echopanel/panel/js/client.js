import { PATH, SAMPLE_RATE, VERSION } from "./codec.js";
import { Connection, State } from "./connection.js";
import { Link } from "./link.js";
import { Outgoing } from "./outgoing.js";
import { Phase } from "./phase.js";

const HOPELESS = new Set([Phase.LOST, Phase.DENIED, Phase.REFUSED]);
const BUFFERED_BYTES = 256 * 1024; // so much may wait in the socket

/**
 * A session with an EchoPanel server that survives its connections. Needs `tick` several times a second.
 *
 * `onChange(client)` is called when `phase` or what explains it has changed, `onMessage(message)` for every message of
 * the server after `ready`, and for `ready` itself.
 */
export class Client {
  session = null; // what `ready` said of the session
  #outgoing;
  #link;
  #wire = null;
  #continues = null;
  #options;

  /** `url` is the server's http(s) address; `now` gives seconds on a clock that only goes forward. */
  constructor({ url, token, sources, title = "", now, random, onChange, onMessage }) {
    this.#options = { sources, title, now, onChange, onMessage };
    this.#outgoing = new Outgoing(sources);
    this.#link = new Link({
      url, token, now, random,
      path: () => PATH,
      onOpen: () => this.#introduce(),
      onData: (data) => this.#hear(data),
      onChange: () => onChange(this),
      onFinal: (code) => this.#beginAnew(code),
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

  /** The token that was presented last. */
  get token() {
    return this.#link.token;
  }

  /** Whether there is no more audio to come. */
  get stopping() {
    return this.#outgoing.stopping;
  }

  /** Seconds of audio that were captured and not sent yet, of the source that has most. */
  get unsentS() {
    return this.#outgoing.unsent / SAMPLE_RATE;
  }

  /** Seconds of audio that had to be thrown away because the server was gone for too long. */
  get droppedS() {
    return this.#outgoing.dropped / SAMPLE_RATE;
  }

  /** Opens the session. */
  connect() {
    this.#link.open();
  }

  /** Captured audio; it is kept until the server has it. */
  send(frame) {
    if (this.stopping) return;
    this.#outgoing.add(frame);
    this.tick();
  }

  /** No more audio: the session ends when everything sent has become text. */
  stop() {
    if (HOPELESS.has(this.phase)) {
      this.abandon();
      return;
    }
    this.#outgoing.stopping = true;
    this.#options.onChange(this);
    this.#pump();
  }

  /** Ends now, and gives up what was not sent. */
  abandon() {
    this.#link.close();
  }

  /** Tries again at once, and as patiently as at first. */
  reconnect() {
    this.#link.reconnect();
  }

  /** The network or the tab came back: asks at once whether the server is there, unless it wanted to be left alone. */
  hurry() {
    if (this.phase === Phase.WAITING && this.error.code === null) this.#link.attempt();
    if (this.phase === Phase.LIVE) this.#ping();
  }

  /** Tries again with another token. */
  authorize(token) {
    this.#link.authorize(token);
  }

  /** Does what is due. */
  tick() {
    this.#link.tick();
    if (this.#link.pingDue) this.#ping();
    this.#pump();
  }

  // --- one connection ---------------------------------------------------------------------------

  #introduce() {
    this.#wire = new Connection();
    this.#say(this.#start());
  }

  #start() {
    const { sources, title } = this.#options;
    const start = { type: "start", version: VERSION, sources, title };
    if (this.session === null) return this.#continues === null ? start : { ...start, continues: this.#continues };
    const { id, resumeToken, lastEvent } = this.session;
    return { ...start, session: id, resume_token: resumeToken, last_event: lastEvent };
  }

  #hear(data) {
    const message = this.#wire.receive(data);
    if (message === null) return;
    if (message.type === "ready") this.#ready(message);
    if (message.type === "ack") this.#outgoing.acknowledge(message.source, message.sample);
    if (message.type === "flow") this.#outgoing.follow(message.chunk_interval_s);
    if (this.session !== null) this.session.lastEvent = this.#wire.lastEvent;
    this.#options.onMessage(message);
    if (message.type === "stopped") this.#link.close();
    else if (message.type === "error" && message.fatal !== false) {
      this.#link.failed(message.code, message.message, message.retry_after);
    } else {
      this.#pump();
    }
  }

  #ready(message) {
    this.session = { id: message.session, resumeToken: message.resume_token, lastEvent: 0, model: message.model };
    this.#outgoing.restart(message);
    this.#link.ready();
  }

  /** The server has forgotten the session: a new one goes on where that one ended. */
  #beginAnew(code) {
    if (code !== "unknown_session" || this.session === null) return false;
    this.#continues = this.session.id;
    this.session = null;
    return true;
  }

  // --- what is to be said -----------------------------------------------------------------------

  #say(message) {
    this.#link.send(this.#wire.send(message));
  }

  #ping() {
    this.#link.asked();
    this.#say({ type: "ping", id: String(this.#options.now()) });
  }

  /** Sends what may be sent now: audio as credit and socket allow, `stop` behind all of it. */
  #pump() {
    while (this.phase === Phase.LIVE && this.#wire.state === State.LIVE && this.#link.takes(BUFFERED_BYTES)) {
      const message = this.#outgoing.next(this.#wire);
      if (message === null) return;
      this.#say(message);
    }
  }
}
