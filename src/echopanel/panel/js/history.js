import { NAMES } from "./captions.js";
import { day, lengthOf, time } from "./dates.js";
import { sessionRoute } from "./route.js";
import { clock } from "./transcript.js";
import { accounted, duration } from "./words.js";

const PAGE = 50; // sessions fetched at a time
const TYPING_MS = 200;
const LOOK_MS = 3000; // how often to look whether the list is still true while it is open
const MOST = 1000; // the server tells of no more at once

/** The list of kept and running meetings, and the search in what was said. */
export class History {
  #page;
  #access;
  #onError;
  #query = "";
  #count = 0;
  #asked = 0; // a number for each question, so that a late answer to an earlier one is not shown
  #lastDay = "";
  #timer = null;
  #looking = null;
  #sessions = []; // what the list shows, as the server told it

  /** `page(id)` gives an element of the page; `onError(error)` is told when the server refuses. */
  constructor({ page, access, onError }) {
    this.#page = page;
    this.#access = access;
    this.#onError = onError;
    page("query").addEventListener("input", () => this.#typed());
    page("search").addEventListener("submit", (event) => event.preventDefault());
    page("older").addEventListener("click", () => this.#load());
  }

  /** Shows the newest, and from now on what changes. */
  open() {
    this.#looking ??= setInterval(() => this.#look(), LOOK_MS);
    return this.#refresh();
  }

  /** Looks for changes no more. */
  close() {
    clearInterval(this.#looking);
    this.#looking = null;
  }

  #refresh() {
    this.#count = 0;
    return this.#load();
  }

  /** Draws the list anew if meetings began, ended, were renamed or deleted; what had the focus keeps it. */
  async #look() {
    if (document.visibilityState === "hidden" || this.#count > MOST) return;
    const asked = this.#asked;
    const sessions = await this.#access.sessions(this.#query, Math.max(PAGE, this.#count), 0).catch(() => null);
    if (sessions === null || asked !== this.#asked || same(sessions, this.#sessions)) return;
    const found = this.#page("found");
    const focused = found.contains(document.activeElement) && document.activeElement.getAttribute("href");
    this.#clear();
    this.#show(sessions);
    if (focused) found.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#refresh(), TYPING_MS);
  }

  async #load() {
    const asked = (this.#asked += 1);
    const first = this.#count === 0;
    const query = this.#page("query").value.trim();
    try {
      const sessions = await this.#access.sessions(query, PAGE, this.#count);
      if (asked !== this.#asked) return;
      this.#query = query;
      if (first) this.#clear();
      this.#show(sessions);
    } catch (error) {
      if (asked !== this.#asked) return;
      if (first) this.#clear();
      this.#onError(error);
    }
  }

  #clear() {
    this.#count = 0;
    this.#lastDay = "";
    this.#sessions = [];
    this.#page("found").replaceChildren();
  }

  #show(sessions) {
    this.#sessions.push(...sessions);
    this.#count = this.#sessions.length;
    this.#page("older").hidden = sessions.length < PAGE;
    for (const session of sessions) this.#append(session);
    this.#page("nothing").hidden = this.#count > 0;
    this.#page("nothing-title").textContent = this.#query ? `Nothing found for “${this.#query}”` : "No meetings yet";
    this.#page("nothing-text").textContent = this.#query
      ? "An utterance has to have all the words. Try fewer, or only the beginning of one."
      : "When captions stop, what was said is kept here: to be read, searched, saved or deleted.";
    this.#page("nothing-start").hidden = Boolean(this.#query);
  }

  #append(session) {
    const name = day(session.created);
    if (name !== this.#lastDay) {
      const group = element("section", "day");
      group.append(element("h3", "", name), element("ol", "meetings"));
      this.#page("found").append(group);
      this.#lastDay = name;
    }
    this.#page("found").lastElementChild.querySelector("ol").append(item(session));
  }
}

/** Whether two lists look the same; of a meeting that runs only that is shown, and its ledger grows all the time. */
function same(sessions, others) {
  const shown = (all) => JSON.stringify(all.map((one) => (one.state === "live" ? { ...one, coverage: null } : one)));
  return shown(sessions) === shown(others);
}

function item(session) {
  const made = element("li", "meeting");
  const link = element("a", "open", session.title || "Untitled meeting");
  link.href = sessionRoute(session.id);
  link.classList.toggle("untitled", !session.title);
  made.append(link, facts(session));
  if (session.hits?.length > 0) made.append(hits(session));
  return made;
}

function facts(session) {
  const made = element("p", "facts");
  made.append(time(session.created));
  if (session.state === "live") {
    made.append(" · ", element("span", "badge", "Running now"));
    return made;
  }
  const { tone, text } = accounted(session.coverage);
  const account = element("span", "", text);
  account.dataset.tone = tone;
  made.append(" · ", duration(lengthOf(session)), " · ", account);
  return made;
}

function hits({ id, count, hits: found }) {
  const made = element("ol", "hits");
  for (const { source, start, parts } of found) {
    const link = element("a", "hit");
    link.href = sessionRoute(id, start);
    const who = element("span", "who", NAMES[source]);
    const said = element("span", "found-text");
    said.append(...parts.map(({ text, hit }) => element(hit ? "mark" : "span", "", text)));
    link.append(element("time", "when", clock(start)), who, said);
    const row = element("li", "");
    row.dataset.source = source;
    row.append(link);
    made.append(row);
  }
  if (count > found.length) made.append(element("li", "more", `and ${count - found.length} more`));
  return made;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
