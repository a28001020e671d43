import { Capture } from "./capture.js";
import { Client } from "./client.js";
import { openDisplay, openFile, openMicrophone } from "./devices.js";
import { Phase } from "./phase.js";
import { Transcript } from "./transcript.js";

// Always both, so that a source can be added while the meeting runs.
const SOURCES = ["mic", "system"];

/**
 * One meeting: what is captured, the session it is sent to, and the text that came back.
 *
 * `onFrame(frame)` gets captured audio, `onSource(source, state)` on, muted, off or ended, `onLines(changes)` what
 * changed in the transcript, `onTrouble(message)` what the server complained of without ending the session.
 */
export class Meeting {
  transcript = new Transcript();
  flow = null;
  coverage = null; // the ledgers, once it has ended
  client;
  #capture;
  #files = new Set(); // sources that play a recording
  #listener;

  constructor({ url, token, now, onFrame, onSource, onLines, onTrouble }) {
    this.#listener = { onFrame, onSource, onLines, onTrouble };
    this.#capture = new Capture({ onFrame: (frame) => this.#hear(frame), onEnded: (source) => this.#ended(source) });
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
    this.#files.delete(source);
    if (what instanceof File) {
      this.#files.add(source);
      await this.#capture.addBuffer(source, await openFile(what, await this.#capture.context()));
    } else {
      const stream = what === "display" ? await openDisplay() : await openMicrophone(what);
      await this.#capture.addStream(source, stream);
    }
    this.#listener.onSource(source, "on");
  }

  mute(source, muted) {
    this.#capture.mute(source, muted);
    this.#listener.onSource(source, muted ? "muted" : "on");
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
    this.#listener.onSource(source, "ended");
    const silent = !SOURCES.some((one) => this.#capture.has(one));
    if (silent && this.#files.has(source)) this.stop();
  }

  #read(message) {
    if (message.type === "flow") this.flow = message;
    if (message.type === "stopped") this.coverage = message.coverage;
    if (message.type === "error" && message.fatal === false) this.#listener.onTrouble(message.message);
    const changes = this.transcript.apply(message);
    if (changes.length > 0) this.#listener.onLines(changes);
  }

  /** A session that is over, whoever ended it, needs no more audio. */
  #changed() {
    if (!this.running) this.#capture.close();
  }
}
