import { Framer } from "./framer.js";

const REANCHOR_MS = 1000;
const SLEPT_MS = 2000; // a shorter sleep is not worth a word
// Chromium keeps ten times as much of a microphone until it is heard, and throws away what comes beyond: with its own 10 ms
// a busy computer costs crumbs of speech. With more than this, text would come noticeably later.
const LATENCY_S = 0.05;
const SETTLE_MS = 250; // the last blocks of a source are still on their way when it ends

/**
 * Records sources through one AudioContext, so that all have one clock.
 *
 * `onFrame(frame)` gets every frame of audio, `onEnded(source)` is told when a source is over: a recording at its end,
 * a device that was unplugged, a tab that is no longer shared. `onHeld(source, held)`: the system has muted it, or not
 * any more. `onSlept(seconds)`: nothing was recorded for so long, because computer or tab were asleep.
 */
export class Capture {
  #context = null;
  #inputs = new Map();
  #framers = new Map(); // outlive their inputs: the timeline of a source goes on when it comes back
  #anchor = null; // a frame of the audio clock and when that was, in ms on the page's clock
  #listener;

  constructor({ onFrame, onEnded, onHeld, onSlept }) {
    this.#listener = { onFrame, onEnded, onHeld, onSlept };
  }

  /** The context of everything recorded, running; the first call has to follow a click. */
  async context() {
    if (this.#context === null) {
      this.#context = new AudioContext({ latencyHint: LATENCY_S });
      await this.#context.audioWorklet.addModule(new URL("./tap.js", import.meta.url));
    }
    await this.#context.resume();
    return this.#context;
  }

  /** Records a MediaStream as `source`. */
  async addStream(source, stream) {
    const context = await this.context();
    const input = this.#add(source, context.createMediaStreamSource(stream), () => {
      for (const track of stream.getTracks()) track.stop();
    });
    for (const track of stream.getTracks()) track.onended = () => this.#end(source, input);
    for (const track of stream.getAudioTracks()) {
      track.onmute = () => this.#listener.onHeld(source, true);
      track.onunmute = () => this.#listener.onHeld(source, false);
    }
  }

  /** Plays an AudioBuffer into `source`, silently and in real time. */
  async addBuffer(source, buffer) {
    const context = await this.context();
    const player = new AudioBufferSourceNode(context, { buffer });
    const input = this.#add(source, player, () => player.stop());
    player.onended = () => this.#end(source, input);
    player.start();
  }

  /** Goes on when the browser had paused it: phones do that for a telephone call, browsers to a page in the background. */
  wake() {
    this.#context?.resume();
  }

  /** Whether `source` is being recorded, muted or not. */
  has(source) {
    return this.#inputs.has(source);
  }

  isMuted(source) {
    return this.#inputs.get(source)?.muted ?? false;
  }

  /** Leaves out what `source` hears from now on, or not. */
  mute(source, muted) {
    const input = this.#inputs.get(source);
    if (input === undefined) return;
    input.muted = muted;
    if (muted) this.#interrupt(source);
  }

  /** Stops recording `source`. */
  remove(source) {
    const input = this.#inputs.get(source);
    if (input === undefined) return;
    this.#inputs.delete(source);
    input.tap.port.postMessage("close");
    input.tap.port.onmessage = null;
    input.node.disconnect();
    input.tap.disconnect();
    input.release();
    this.#interrupt(source);
  }

  /** Stops everything. */
  async close() {
    for (const source of [...this.#inputs.keys()]) this.remove(source);
    const context = this.#context;
    this.#context = null;
    await context?.close();
  }

  #add(source, node, release) {
    this.remove(source);
    // The output is silence; a node that leads nowhere is not run by every browser.
    const tap = new AudioWorkletNode(this.#context, "tap", { numberOfOutputs: 1, outputChannelCount: [1] });
    const input = { node, tap, release, muted: false };
    tap.port.onmessage = ({ data }) => this.#hear(source, input, data);
    node.connect(tap).connect(this.#context.destination);
    this.#inputs.set(source, input);
    if (!this.#framers.has(source)) this.#framers.set(source, new Framer(source));
    return input;
  }

  #hear(source, input, { frame, samples, stalledMs }) {
    if (stalledMs > 0) this.#interrupt(source);
    if (stalledMs > SLEPT_MS) this.#listener.onSlept(stalledMs / 1000);
    const capturedMs = this.#timeOf(frame, samples.length, stalledMs > 0);
    if (input.muted) return;
    for (const one of this.#framers.get(source).push(samples, this.#context.sampleRate, capturedMs)) this.#listener.onFrame(one);
  }

  /** When a frame of the audio clock was, on the page's clock; after a stall the two have to be compared anew. */
  #timeOf(frame, length, stalled) {
    const perMs = this.#context.sampleRate / 1000;
    const now = performance.now();
    if (this.#anchor === null || (stalled && now - this.#anchor.setAt > REANCHOR_MS)) {
      this.#anchor = { frame, ms: now - length / perMs, setAt: now };
    }
    return this.#anchor.ms + (frame - this.#anchor.frame) / perMs;
  }

  #interrupt(source) {
    for (const frame of this.#framers.get(source)?.interrupt() ?? []) this.#listener.onFrame(frame);
  }

  #end(source, input) {
    setTimeout(() => {
      if (this.#inputs.get(source) !== input) return;
      this.remove(source);
      this.#listener.onEnded(source);
    }, SETTLE_MS);
  }
}
