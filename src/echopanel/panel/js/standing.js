const NOTE_S = 8;

/** Shows how things stand: the pill in the header, the banner below it, and the title of the tab. */
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

  /** Draws a state as status.js describes it. */
  show({ tone, text, hint, action }, now) {
    this.#page("status").dataset.tone = tone;
    write(this.#page("status-text"), text);
    this.#announce(text);
    if (this.#note?.until < now) this.#note = null;
    this.#banner(this.#note ? "idle" : tone, this.#note?.text ?? hint, action === "reconnect");
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
