import { describe } from "./status.js";

const NOTE_S = 6;

/** Shows how things stand: the pill in the header, the banner below it, and the question for a token. */
export class Standing {
  #page;
  #note = null; // {text, until}: said once, for a few seconds
  #announced = "";

  /** `page(id)` gives an element of the page. */
  constructor(page) {
    this.#page = page;
  }

  /** Says something that is no lasting state. */
  note(text, now) {
    this.#note = { text, until: now + NOTE_S };
    this.#page("status-announcer").textContent = text;
  }

  /** Draws the state of a client; without one nothing has been started. */
  show(client, flow, now) {
    const idle = { tone: "idle", text: "Ready", hint: "", action: null };
    const { tone, text, hint, action } = client === null ? idle : describe(client, flow, now);
    this.#page("status").dataset.tone = tone;
    write(this.#page("status-text"), text);
    this.#announce(text);
    if (this.#note?.until < now) this.#note = null;
    this.#banner(this.#note ? "idle" : tone, this.#note?.text ?? hint, action === "reconnect");
    this.#ask(action === "token", client);
  }

  #banner(tone, text, reconnect) {
    const banner = this.#page("banner");
    banner.hidden = !text && !reconnect;
    banner.dataset.tone = tone;
    write(this.#page("banner-text"), text);
    this.#page("reconnect").hidden = !reconnect;
  }

  #ask(wanted, client) {
    const dialog = this.#page("token-dialog");
    if (wanted && !dialog.open) {
      this.#page("token-notice").textContent = client.token ? "That token was not accepted." : "";
      dialog.showModal();
    }
    if (!wanted && dialog.open) dialog.close();
  }

  /** Tells a screen reader of a new state, but not of every second of a countdown. */
  #announce(text) {
    const state = text.replace(/\d+/g, "…");
    if (state === this.#announced) return;
    this.#announced = state;
    this.#page("status-announcer").textContent = text;
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
