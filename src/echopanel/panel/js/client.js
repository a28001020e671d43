import { PATH, SAMPLE_RATE, VERSION } from "./codec.js";
import { Connection, State } from "./connection.js";
import { Link } from "./link.js";
import { Phase } from "./phase.js";
import { Replay } from "./replay.js";

const HOPELESS = new Set([Phase.LOST, Phase.DENIED, Phase.REFUSED]);
const PIECE_SAMPLES = 1600; // what is sent at a time when catching up
const BUFFERED_BYTES = 256 * 1024; // so much may wait in the socket

/**
 * A session with an EchoPanel server that survives its connections. Needs `tick` several times a second.
 *
 * `onChange(client)` is called when `phase` or what explains it has changed, `onMessage(message)` for every message of
 * the server after `ready`, and for `ready` itself.
 */
export class Client {
  session = null; // what `ready` said of the session
  stopping = false;
  #replays;
  #leaps = new Set(); // sources whose next piece follows something that was never captured for this session
  #link;
  #wire = null;
  #continues = null;
  #options;

  /** `url` is the server's http(s) address; `now` gives seconds on a clock that only goes forward. */
  constructor({ url, token, sources, title = "", now, random, onChange, onMessage }) {
    this.#options = { sources, title, now, onChange, onMessage };
    this.#replays = new Map(sources.map((source) => [source, new Replay()]));
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

  /** Seconds of audio that were captured and not sent yet, of the source that has most. */
  get unsentS() {
    return Math.max(...Array.from(this.#replays.values(), (replay) => replay.unsent)) / SAMPLE_RATE;
  }

  /** Seconds of audio that had to be thrown away because the server was gone for too long. */
  get droppedS() {
    return [...this.#replays.values()].reduce((sum, replay) => sum + replay.dropped, 0) / SAMPLE_RATE;
  }

  /** Opens the session. */
  connect() {
    this.#link.open();
  }

  /** Captured audio; it is kept until the server has it. */
  send(frame) {
    if (this.stopping) return;
    this.#replays.get(frame.source).append(frame);
    this.tick();
  }

  /** No more audio: the session ends when everything sent has become text. */
  stop() {
    if (HOPELESS.has(this.phase)) {
      this.abandon();
      return;
    }
    this.stopping = true;
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
    if (message.type === "ack") this.#replays.get(message.source)?.acknowledge(message.sample);
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
    this.#leaps.clear();
    for (const [source, at] of Object.entries(message.sources)) {
      const replay = this.#replays.get(source);
      if (!message.resumed) replay.settle(); // an earlier session has it
      replay.acknowledge(at.next);
      replay.rewind(at.next);
      // A new session in the middle of a meeting never captured what came before it.
      if (!message.resumed && replay.position > at.next) this.#leaps.add(source);
    }
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
      const message = this.#nextAudio() ?? this.#lastWord();
      if (message === null) return;
      this.#say(message);
    }
  }

  /** A piece of the source that is furthest behind among those that may send. */
  #nextAudio() {
    let behind = null;
    for (const [source, replay] of this.#replays) {
      const first = replay.peek();
      if (first === undefined || this.#wire.allowance(source, replay.position) === 0) continue;
      if (behind === null || first.capturedMs < behind.peek().capturedMs) behind = replay;
    }
    if (behind === null) return null;
    const allowance = this.#wire.allowance(behind.peek().source, behind.position);
    const frame = behind.take(Math.min(allowance, PIECE_SAMPLES));
    if (this.#leaps.delete(frame.source)) frame.skipped = true;
    return { type: "audio", frame };
  }

  #lastWord() {
    const replays = [...this.#replays];
    if (!this.stopping || replays.some(([, replay]) => replay.unsent > 0)) return null;
    return { type: "stop", captured: Object.fromEntries(replays.map(([source, replay]) => [source, replay.end])) };
  }
}
