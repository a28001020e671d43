import { Level } from "./level.js";

const QUIET_S = 10;
const QUIET = { mic: "No sound. Is the right microphone chosen?", system: "No sound. Is the call playing?" };
const NOTES = {
  muted: "Muted: not recorded",
  held: "Muted by the system or by its own switch",
  off: "Not recorded",
  ended: "Has ended",
  unplugged: "Unplugged. Press Add to use another",
  unshared: "No longer shared. Press Add to share it again",
};
const BUTTONS = { on: ["mute", "Mute"], held: ["mute", "Mute"], muted: ["unmute", "Unmute"] };

/** The strip of each source: its level, what is wrong with it, and a button to mute it or to add it again. */
export class Dock {
  #strips = new Map();

  /** `onPress(source, action)` is told what the button said: mute, unmute or add. */
  constructor(root, onPress) {
    for (const strip of root.querySelectorAll(".strip")) {
      const { source } = strip.dataset;
      const button = strip.querySelector("button");
      button.addEventListener("click", () => onPress(source, strip.dataset.action));
      this.#strips.set(source, {
        strip,
        button,
        meter: strip.querySelector(".meter"),
        note: strip.querySelector(".note"),
        level: new Level(0),
        state: "off",
      });
    }
  }

  /** What a source is doing, as Meeting names it. */
  set(source, state, now) {
    const one = this.#strips.get(source);
    const [action, label] = BUTTONS[state] ?? ["add", "Add"];
    one.state = state;
    one.strip.dataset.state = state;
    one.strip.classList.toggle("trouble", state === "unplugged" || state === "unshared" || state === "held");
    one.strip.dataset.action = action;
    one.button.textContent = label;
    one.level.restart(now);
    this.show(now);
  }

  /** Captured audio of a source. */
  hear(frame, now) {
    this.#strips.get(frame.source).level.push(frame.pcm, now);
  }

  /** Draws levels and notes as they are now. */
  show(now) {
    for (const [source, { meter, note, level, state }] of this.#strips) {
      const shown = state === "on" ? level.shown(now) : 0;
      meter.style.setProperty("--level", shown.toFixed(3));
      meter.setAttribute("aria-valuenow", Math.round(shown * 100));
      const text = notice(source, state, level.quietFor(now));
      if (note.textContent !== text) note.textContent = text;
    }
  }
}

function notice(source, state, quietS) {
  if (state === "on") return quietS > QUIET_S ? QUIET[source] : "";
  return NOTES[state];
}
