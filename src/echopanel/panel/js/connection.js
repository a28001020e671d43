import { ProtocolError, decode, encode } from "./codec.js";

/** Where one connection stands; the session may outlive it. */
export const State = Object.freeze({
  OPEN: "open", STARTING: "starting", LIVE: "live", STOPPING: "stopping", CLOSED: "closed",
});

const OUTPUT = ["ack", "partial", "final", "revision", "gap", "flow", "flushed"];
const ANYTIME = ["ping", "pong", "error"];

/** State -> kind of message -> next state; what is not here must not come. */
export const TRANSITIONS = Object.freeze({
  [State.OPEN]: { start: State.STARTING, "fatal error": State.CLOSED, ...staying(State.OPEN, ANYTIME) },
  [State.STARTING]: { ready: State.LIVE, "fatal error": State.CLOSED, ...staying(State.STARTING, ANYTIME) },
  [State.LIVE]: {
    stop: State.STOPPING,
    stopped: State.CLOSED, // a stop that was asked on an earlier connection
    "fatal error": State.CLOSED,
    ...staying(State.LIVE, ["audio", "flush", ...OUTPUT, ...ANYTIME]),
  },
  [State.STOPPING]: {
    stopped: State.CLOSED,
    "fatal error": State.CLOSED,
    ...staying(State.STOPPING, [...OUTPUT, ...ANYTIME]),
  },
  [State.CLOSED]: {},
});

function staying(state, kinds) {
  return Object.fromEntries(kinds.map((kind) => [kind, state]));
}

/**
 * How far a source may be sent ahead, as a sample index, not an amount. Jumping ahead costs none: both ends see the
 * jump and move the limit by its length.
 */
export class Credit {
  constructor(sent, limit) {
    this.sent = sent;
    this.limit = limit;
  }

  /** How many samples may be sent now in one stretch from `start` on. */
  allowance(start) {
    return Math.max(0, this.limit - Math.min(start, this.sent));
  }

  spend(start, end) {
    this.limit += Math.max(0, start - this.sent);
    this.sent = Math.max(this.sent, end);
  }

  /** Credit once given is not taken back. */
  grant(limit) {
    this.limit = Math.max(this.limit, limit);
  }
}

/** The client's end of one connection, without I/O: messages in, data out, and the other way round. */
export class Connection {
  state = State.OPEN;
  lastEvent = 0;
  #credit = new Map();

  /** The data to put into the socket. Throws ProtocolError when the message may not be sent now. */
  send(message) {
    this.#advance(message);
    if (message.type === "audio") {
      const { source, start, pcm } = message.frame;
      this.#credit.get(source).spend(start, start + pcm.length);
    }
    if (message.type === "start") this.lastEvent = message.last_event ?? 0;
    return encode(message);
  }

  /** The message in what came; null if it is to be ignored. Throws ProtocolError. */
  receive(data) {
    const message = decode(data);
    if (message === null) return null;
    this.#advance(message);
    this.#observe(message);
    return message;
  }

  /** How many samples of `source` may be sent now in one stretch from `start` on; 0 while not live. */
  allowance(source, start) {
    return this.state === State.LIVE ? (this.#credit.get(source)?.allowance(start) ?? 0) : 0;
  }

  #advance(message) {
    const kind = message.type === "error" && message.fatal !== false ? "fatal error" : message.type;
    const following = TRANSITIONS[this.state][kind];
    if (following === undefined) throw new ProtocolError(`${kind} cannot come while the connection is ${this.state}`);
    this.state = following;
  }

  #observe(message) {
    if (message.type === "ready") {
      for (const [source, at] of Object.entries(message.sources)) {
        this.#credit.set(source, new Credit(at.next, at.credit));
      }
      this.lastEvent = message.last_event ?? this.lastEvent; // a power cut may have cost the server what came behind it
    }
    if (message.type === "ack") this.#credit.get(message.source)?.grant(message.credit);
    if (message.type === "flow") {
      for (const [source, flow] of Object.entries(message.sources)) this.#credit.get(source)?.grant(flow.credit);
    }
    if (message.event !== undefined) this.lastEvent = Math.max(this.lastEvent, message.event);
  }
}
