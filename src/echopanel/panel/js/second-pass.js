import { isUnderWay, progressOf } from "./edition.js";

const LOOK_MS = 1000; // how often to look how far a second pass is

/** Asks for a second pass over the meeting that is being read, and follows it. */
export class SecondPass {
  #page;
  #access;
  #listener;
  #id = null; // the session it is about
  #asked = false; // whether somebody asked for it here
  #looking = null;

  /**
   * `page(id)` gives an element of the page; `onKnown(session)` is told what the server says of the session meanwhile,
   * `onDone()` when a pass that was asked for here has made a better text.
   */
  constructor({ page, access, onKnown, onDone, onError }) {
    this.#page = page;
    this.#access = access;
    this.#listener = { onKnown, onDone };
    page("refine").addEventListener("click", () => this.#offer().catch(onError));
    page("refine-form").addEventListener("submit", (event) => {
      event.preventDefault();
      page("refine-dialog").close();
      if (event.submitter.value === "yes") this.#ask(page("refine-model").value).catch(onError);
    });
  }

  /** Shows how it stands with a session; `possible`: it has a recording, and gets no more of it. */
  show({ id, refined }, possible) {
    if (this.#id !== id) this.close();
    this.#id = id;
    const underWay = isUnderWay(refined);
    const button = this.#page("refine");
    button.hidden = !possible || underWay;
    button.textContent = refined?.state === "done" ? "Improve again" : "Improve text";
    const bar = this.#page("refining");
    bar.hidden = !underWay;
    bar.value = progressOf(refined);
    clearTimeout(this.#looking);
    if (underWay) this.#looking = setTimeout(() => this.#look(), LOOK_MS);
    else if (this.#asked) this.#over(refined);
  }

  /** Follows nothing any more. */
  close() {
    clearTimeout(this.#looking);
    this.#id = null;
    this.#asked = false;
    this.#page("refine").hidden = this.#page("refining").hidden = true;
  }

  #over(refined) {
    this.#asked = false;
    if (refined?.state === "done") this.#listener.onDone();
  }

  /** The models that are on the server's computer, the biggest chosen. */
  async #offer() {
    const models = (await this.#access.models()).filter((model) => model.here);
    const sizes = models.map((model) => model.megabytes);
    const options = models.map(({ name, megabytes }) => new Option(`${name}, ${megabytes} MB`, name));
    this.#page("refine-model").replaceChildren(...options);
    this.#page("refine-model").selectedIndex = sizes.indexOf(Math.max(...sizes));
    this.#page("refine-dialog").showModal();
  }

  async #ask(model) {
    const id = this.#id;
    await this.#access.refine(id, model);
    if (this.#id !== id) return;
    this.#asked = true;
    await this.#look();
  }

  async #look() {
    const id = this.#id;
    const known = await this.#access.session(id).catch(() => null);
    if (this.#id !== id) return;
    if (known !== null) this.#listener.onKnown(known);
    else this.#looking = setTimeout(() => this.#look(), LOOK_MS);
  }
}
