const NOTE_S = 8;

/** Shows how things stand: the pill in the header, the banner below it, the title of the tab, and notes over the view. */
export class Standing {
  #page;
  #noteUntil = 0;
  #announced = "";

  /** `page(id)` gives an element of the page. */
  constructor(page) {
    this.#page = page;
  }

  /** Says something that is no lasting state. It lies over the view: what somebody is about to press must not move. */
  note(text, now) {
    this.#noteUntil = now + NOTE_S;
    this.#page("note").hidden = false;
    this.#page("note").textContent = text;
    this.#page("status-announcer").textContent = text;
  }

  /** Draws a state as status.js describes it. */
  show({ tone, text, hint, action }, now) {
    this.#page("status").dataset.tone = tone;
    write(this.#page("status-text"), text);
    this.#announce(text);
    if (this.#noteUntil < now) this.#page("note").hidden = true;
    this.#banner(tone, hint, action === "reconnect");
    const title = tone === "warn" || tone === "bad" ? `${text} – EchoPanel` : "EchoPanel";
    if (document.title !== title) document.title = title;
  }

  #banner(tone, text, reconnect) {
    const banner = this.#page("banner");
    banner.hidden = !text && !reconnect;
    banner.dataset.tone = tone;
    write(this.#page("banner-text"), text);
    this.#page("reconnect").hidden = !reconnect;
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
