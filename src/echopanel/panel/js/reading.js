import { Captions } from "./captions.js";
import { EDITIONS, describePass, messagesOf } from "./edition.js";
import { Phase } from "./phase.js";
import { SecondPass } from "./second-pass.js";
import { Transcript } from "./transcript.js";
import { Watcher } from "./watcher.js";
import { lengthOf, when } from "./dates.js";
import { accounted, duration } from "./words.js";

/** One meeting to read: a kept one, or a running one that somebody else records. */
export class Reading {
  id = null;
  transcript = null;
  watcher = null;
  edition = "live"; // which text of it
  refusal = null; // why there is nothing to read
  #page;
  #access;
  #captions;
  #marks;
  #now;
  #pass;
  #known = null; // what the server told of the session
  #listener;

  /** `page(id)` gives an element of the page; `onGone()` is called when the session was deleted, `onNote(text)` is told news. */
  constructor({ page, access, marks, now, onGone, onNote, onError }) {
    this.#page = page;
    this.#access = access;
    this.#marks = marks;
    this.#now = now;
    this.#listener = { onGone, onNote };
    this.#captions = new Captions({
      scroller: page("past"), list: page("past-lines"), jump: page("past-jump"), announcer: null, marks,
    });
    this.#pass = new SecondPass({
      page, access, onError,
      onKnown: (known) => this.#describe(known),
      onDone: () => this.#improved().catch(onError),
    });
    const title = page("title");
    title.addEventListener("change", () => this.#rename(title.value).catch(onError));
    title.addEventListener("keydown", (event) => event.key === "Enter" && title.blur());
    const edition = page("edition");
    edition.replaceChildren(...Object.entries(EDITIONS).map(([name, text]) => new Option(text, name)));
    edition.addEventListener("change", () => this.#choose(edition.value).catch(onError));
    page("delete").addEventListener("click", () => page("delete-dialog").showModal());
    page("delete-form").addEventListener("submit", (event) => {
      event.preventDefault();
      page("delete-dialog").close();
      if (event.submitter.value === "yes") this.#remove().catch(onError);
    });
  }

  /** Whether it goes on. */
  get running() {
    return runs(this.#known) && this.watcher?.phase !== Phase.STOPPED;
  }

  /** What to call it, for the name of a file. */
  get title() {
    return this.#known?.title || "Meeting";
  }

  /** Shows a session, from the line spoken `at` seconds: the best text, but the live one where that was searched. */
  async open(id, at) {
    this.close();
    this.id = id;
    const known = await this.#access.session(id).catch((error) => this.#refused(id, error));
    if (this.id !== id) return; // somebody went on meanwhile
    this.#page("past").hidden = false;
    this.#known = known;
    await this.#choose(known.refined?.state === "done" && at === null ? "merged" : "live", at);
  }

  /** Shows one of the session's texts. Throws Refusal. */
  async #choose(edition, at = null) {
    const { id } = this;
    this.watcher?.close();
    this.watcher = null;
    this.edition = this.#page("edition").value = edition;
    this.#describe(this.#known);
    this.transcript = new Transcript(id);
    this.#captions.clear();
    if (at !== null) this.#captions.seek(at);
    else if (!this.running) this.#captions.seek();
    if (edition === "live") this.#watch(id);
    else {
      const text = await this.#access.edition(id, edition);
      if (this.id === id && this.edition === edition) for (const message of messagesOf(text)) this.#read(message);
    }
  }

  /** Shows the better text that somebody waited for, in the place where they are reading. */
  async #improved() {
    await this.#choose(this.edition === "live" ? "merged" : this.edition, this.#captions.place);
    this.#listener.onNote("This is the improved text. The list above also has the live one.");
  }

  #watch(id) {
    this.watcher = new Watcher({
      url: location.href, token: this.#access.token, session: id, now: this.#now,
      onChange: () => this.#changed(id), onMessage: (message) => this.#read(message),
    });
    this.watcher.connect();
  }

  /** Goes to the line that was spoken at `start` seconds. */
  seek(start) {
    this.#captions.seek(start);
  }

  /** Stops reading. */
  close() {
    const { watcher } = this;
    this.id = this.watcher = this.#known = this.refusal = null;
    this.#pass.close();
    watcher?.close();
    this.#page("past").hidden = true;
    this.#page("title").value = "";
    this.#page("facts").textContent = "";
    this.#page("delete").hidden = this.#page("edition").hidden = true;
  }

  #refused(id, error) {
    if (this.id !== id) return;
    this.id = null;
    this.refusal = error;
    throw error;
  }

  #read(message) {
    if (message.type === "revision") {
      const [first] = this.transcript.keysOf(message.segments.map((segment) => segment.segment));
      if (first) this.#marks.move(this.transcript.keysOf(message.replaces), first);
    }
    this.#captions.apply(this.transcript.apply(message));
  }

  /** At the end of a session its facts are others. */
  async #changed(id) {
    if (this.watcher?.phase !== Phase.STOPPED || !runs(this.#known)) return;
    const known = await this.#access.session(id).catch(() => null);
    if (this.id === id && known) this.#describe(known);
  }

  #describe(known) {
    this.#known = known;
    const title = this.#page("title");
    if (document.activeElement !== title) title.value = known.title;
    const state = { live: "running now", completing: "being completed", interrupted: "ended without Stop" }[known.state];
    const { tone, text } = accounted(known.coverage);
    const length = known.ended && duration(lengthOf(known));
    const { model } = this.edition === "live" ? known : (known.refined ?? known);
    const facts = [when(known.created), length, state, runs(known) ? null : text, model, describePass(known.refined)];
    this.#page("facts").textContent = facts.filter(Boolean).join(" · ");
    this.#page("edition").hidden = known.refined?.state !== "done";
    this.#page("facts").dataset.tone = runs(known) || tone === "good" ? "idle" : tone;
    this.#page("delete").hidden = runs(known);
    this.#pass.show(known, known.recorded && !runs(known));
    this.#page("delete-what").textContent = `“${known.title || "Untitled meeting"}” of ${when(known.created)} will be gone for good.`;
  }

  async #rename(title) {
    if (this.id !== null) this.#describe(await this.#access.rename(this.id, title));
  }

  async #remove() {
    await this.#access.remove(this.id);
    this.close();
    this.#listener.onGone();
  }
}

/** Whether a session, if there is one, gets more text. */
function runs(session) {
  return session?.state === "live" || session?.state === "completing";
}
