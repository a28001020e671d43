import { Capture } from "./capture.js";
import { Client } from "./client.js";
import { openDisplay, openFile, openMicrophone } from "./devices.js";
import { Phase } from "./phase.js";
import { Transcript } from "./transcript.js";
import { duration } from "./words.js";

// Always both, so that a source can be added while the meeting runs.
const SOURCES = ["mic", "system"];
// What has become of a source of each kind when it ends by itself.
const ENDS = { file: "ended", display: "unshared", microphone: "unplugged" };

/**
 * One meeting: what is captured, the session it is sent to, and the text that came back.
 *
 * `onFrame(frame)` gets captured audio, `onSource(source, state)` on, muted, held, off, ended (a recording), unplugged or
 * unshared, `onMessage(message)` what the server says, `onLines(changes)` what changed in the transcript,
 * `onTrouble(text)` what went wrong and does not end the session.
 */
export class Meeting {
  transcript = new Transcript();
  flow = null;
  coverage = null; // the ledgers, once it has ended
  client;
  #capture;
  #kinds = new Map(); // source -> what is recorded: file, display or microphone
  #listener;

  constructor({ url, token, now, onFrame, onSource, onMessage, onLines, onTrouble }) {
    this.#listener = { onFrame, onSource, onMessage, onLines, onTrouble };
    this.#capture = new Capture({
      onFrame: (frame) => this.#hear(frame),
      onEnded: (source) => this.#ended(source),
      onHeld: (source, held) => this.#held(source, held),
      onSlept: (seconds) => onTrouble(`Nothing was recorded for ${duration(seconds)}: this tab or the computer was asleep.`),
    });
    this.client = new Client({
      url, token, now, sources: SOURCES, onChange: () => this.#changed(), onMessage: (message) => this.#read(message),
    });
  }

  get running() {
    return this.client.phase !== Phase.STOPPED;
  }

  /** Opens the sources of a choice as Setup gives it, then the session. Throws DeviceError. */
  async start({ mic, system }) {
    for (const source of SOURCES) this.#listener.onSource(source, "off");
    try {
      // Sharing first: browsers allow it only right after a click.
      if (system === "display") await this.add("system", system);
      if (mic !== null) await this.add("mic", mic);
      if (system instanceof File) await this.add("system", system);
    } catch (error) {
      await this.#capture.close();
      throw error;
    }
    this.client.connect();
  }

  /** Records a source: a microphone's id, "display" or a File. Throws DeviceError. */
  async add(source, what) {
    if (what instanceof File) {
      await this.#capture.addBuffer(source, await openFile(what, await this.#capture.context()));
    } else {
      const stream = what === "display" ? await openDisplay() : await openMicrophone(what);
      await this.#capture.addStream(source, stream);
    }
    this.#kinds.set(source, what instanceof File ? "file" : what === "display" ? what : "microphone");
    this.#listener.onSource(source, "on");
  }

  mute(source, muted) {
    this.#capture.mute(source, muted);
    this.#listener.onSource(source, muted ? "muted" : "on");
  }

  /** The tab or the network is back. */
  wake() {
    this.#capture.wake();
    this.client.hurry();
  }

  /** Ends it when everything has become text; asked a second time, at once. */
  async stop() {
    const closed = this.#capture.close();
    for (const source of SOURCES) this.#listener.onSource(source, "off");
    if (this.client.stopping) this.client.abandon();
    else this.client.stop();
    await closed;
  }

  #hear(frame) {
    this.client.send(frame);
    this.#listener.onFrame(frame);
  }

  #ended(source) {
    const kind = this.#kinds.get(source);
    this.#listener.onSource(source, ENDS[kind]);
    const silent = !SOURCES.some((one) => this.#capture.has(one));
    if (silent && kind === "file") this.stop();
  }

  #held(source, held) {
    if (this.#capture.has(source) && !this.#capture.isMuted(source)) this.#listener.onSource(source, held ? "held" : "on");
  }

  #read(message) {
    if (message.type === "flow") this.flow = message;
    if (message.type === "stopped") this.coverage = message.coverage;
    if (message.type === "error" && message.fatal === false) this.#listener.onTrouble(message.message);
    this.#listener.onMessage(message);
    const changes = this.transcript.apply(message);
    if (changes.length > 0) this.#listener.onLines(changes);
  }

  /** A session that is over, whoever ended it, needs no more audio. */
  #changed() {
    if (!this.running) this.#capture.close();
  }
}
