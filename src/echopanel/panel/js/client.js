import { ERRORS, PATH, ProtocolError, SAMPLE_RATE, VERSION, codeOfClose, subprotocols } from "./codec.js";
import { Connection, State } from "./connection.js";
import { Phase } from "./phase.js";
import { Replay } from "./replay.js";
import { Heartbeat, Retry } from "./retry.js";

const HOPELESS = new Set([Phase.LOST, Phase.DENIED, Phase.REFUSED]);
const PIECE_SAMPLES = 1600; // what is sent at a time when catching up
const BUFFERED_BYTES = 256 * 1024; // so much may wait in the socket
const ANSWER_S = 15; // a server that has not said `ready` by then is not there

/**
 * A session with an EchoPanel server that survives its connections. Needs `tick` several times a second.
 *
 * `onChange(client)` is called when `phase` or what explains it has changed, `onMessage(message)` for every message of
 * the server after `ready`, and for `ready` itself.
 */
export class Client {
  phase = Phase.CONNECTING;
  at = 0; // WAITING: when the next attempt is due, in seconds
  error = null; // {code, message} of what ended the last connection
  session = null; // what `ready` said of the session
  stopping = false;
  #replays;
  #leaps = new Set(); // sources whose next piece follows something that was never captured for this session
  #retry = new Retry();
  #socket = null;
  #wire = null;
  #heartbeat = null;
  #deadline = 0;
  #continues = null;
  #options;

  /** `url` is the server's http(s) address; `now` gives seconds on a clock that only goes forward. */
  constructor({ url, token = "", sources, title = "", now, random = Math.random, onChange, onMessage }) {
    this.#options = { url, token, sources, title, now, random, onChange, onMessage };
    this.#replays = new Map(sources.map((source) => [source, new Replay()]));
  }

  /** The token that was presented last. */
  get token() {
    return this.#options.token;
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
    this.#open();
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
    this.#change(this.phase);
    this.#pump();
  }

  /** Ends now, and gives up what was not sent. */
  abandon() {
    this.#hangUp();
    this.#change(Phase.STOPPED);
  }

  /** Tries again at once, and as patiently as at first. */
  reconnect() {
    this.#retry.reset();
    this.#attempt();
  }

  /** The network or the tab came back: asks at once whether the server is there, unless it wanted to be left alone. */
  hurry() {
    if (this.phase === Phase.WAITING && this.error.code === null) this.#attempt();
    if (this.phase === Phase.LIVE) this.#ping(this.#options.now());
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
    if (this.#socket === null) return;
    const silent = this.phase === Phase.CONNECTING ? now >= this.#deadline : this.#heartbeat.isDead(now);
    if (silent) {
      this.#failed(null, "the server does not answer");
      return;
    }
    if (this.phase === Phase.LIVE && this.#heartbeat.pingDue(now)) this.#ping(now);
    this.#pump();
  }

  // --- one connection ---------------------------------------------------------------------------

  #attempt() {
    const wait = this.#retry.attempt(this.#options.now());
    if (wait > 0) this.#wait(wait);
    else this.#open();
  }

  #open() {
    const { url, token, now } = this.#options;
    this.#hangUp();
    const address = new URL(PATH, url);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address, subprotocols(token));
    this.#socket = socket;
    this.#wire = new Connection();
    this.#heartbeat = new Heartbeat(now());
    this.#deadline = now() + ANSWER_S;
    this.#change(Phase.CONNECTING);
    // What an earlier socket still says does not matter any more.
    const current = (handle) => (event) => this.#socket === socket && handle(event);
    socket.onopen = current(() => this.#say(this.#start()));
    socket.onmessage = current((event) => this.#hear(event.data));
    socket.onclose = current((event) => this.#failed(codeOfClose(event.code), event.reason));
  }

  #start() {
    const { sources, title } = this.#options;
    const start = { type: "start", version: VERSION, sources, title };
    if (this.session === null) return this.#continues === null ? start : { ...start, continues: this.#continues };
    const { id, resumeToken, lastEvent } = this.session;
    return { ...start, session: id, resume_token: resumeToken, last_event: lastEvent };
  }

  #hear(data) {
    this.#heartbeat.heard(this.#options.now());
    let message;
    try {
      message = this.#wire.receive(data);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#failed("malformed", error.message);
      return;
    }
    if (message !== null) this.#handle(message);
  }

  #handle(message) {
    if (message.type === "ready") this.#ready(message);
    if (message.type === "ack") this.#replays.get(message.source)?.acknowledge(message.sample);
    if (this.session !== null) this.session.lastEvent = this.#wire.lastEvent;
    this.#options.onMessage(message);
    if (message.type === "stopped") {
      this.#hangUp();
      this.#change(Phase.STOPPED);
    } else if (message.type === "error" && message.fatal !== false) {
      this.#failed(message.code, message.message, message.retry_after);
    } else {
      this.#pump();
    }
  }

  #ready(message) {
    this.#retry.ready(this.#options.now());
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
    this.error = null;
    this.#change(Phase.LIVE);
  }

  /** The connection has ended, or there never was one; `code` is null where nobody knows why. */
  #failed(code, message, retryAfter = 0) {
    this.#hangUp();
    this.error = { code, message };
    if (code === "unauthorized") {
      this.#change(Phase.DENIED);
    } else if (code === "unknown_session" && this.session !== null) {
      this.#beginAnew();
    } else if (code !== null && ERRORS[code]?.retryable === false) {
      this.#change(Phase.REFUSED);
    } else {
      const wait = this.#retry.failed(this.#options.now(), this.#options.random(), retryAfter);
      if (wait === null) this.#change(Phase.LOST);
      else this.#wait(wait);
    }
  }

  /** The server has forgotten the session: a new one goes on where that one ended. */
  #beginAnew() {
    this.#continues = this.session.id;
    this.session = null;
    this.#open();
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

  // --- what is to be said -----------------------------------------------------------------------

  #say(message) {
    this.#socket.send(this.#wire.send(message));
  }

  #ping(now) {
    this.#heartbeat.asked(now);
    this.#say({ type: "ping", id: String(now) });
  }

  /** Sends what may be sent now: audio as credit and socket allow, `stop` behind all of it. */
  #pump() {
    while (this.#wire?.state === State.LIVE && this.#socket !== null && this.#socket.bufferedAmount < BUFFERED_BYTES) {
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
