import { describeGap } from "./quality.js";
import { clock } from "./transcript.js";

/** What the sources are called. */
export const NAMES = Object.freeze({ mic: "You", system: "Others" });

const AT_END_PX = 40; // closer to the end than this is reading along
const FRAME_MS = 16;
const BATCH = 25; // changes drawn at a time, so that a long transcript does not freeze the page
const ANNOUNCED = 4; // finished lines that stay for a screen reader
const WAYS = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" };

/** The lines of a transcript in the page; it follows the newest until its reader scrolls up. */
export class Captions {
  #scroller;
  #list;
  #jump;
  #announcer;
  #marks;
  #shown = []; // {line, item}, as spoken
  #known = new Map(); // the same by key
  #waiting = []; // changes to be shown
  #timer = null;
  #following = true;
  #top = null; // where the view begins on the screen, in pixels; null while it is not shown
  #tabStop = null;
  #wanted = null; // the time, in seconds, of a line to go to once it is there

  /** `announcer` (or null) is read out by screen readers; `marks` knows which lines are marked. */
  constructor({ scroller, list, jump, announcer, marks }) {
    this.#scroller = scroller;
    this.#list = list;
    this.#jump = jump;
    this.#announcer = announcer;
    this.#marks = marks;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    list.addEventListener("click", (event) => this.#clicked(event.target));
    list.addEventListener("keydown", (event) => this.#pressed(event));
    jump.addEventListener("click", () => this.follow());
    new ResizeObserver(() => this.#resized()).observe(scroller);
  }

  /** Shows the changes that a Transcript reports; what comes at once is drawn at once. */
  apply(changes) {
    this.#waiting.push(...changes);
    this.#schedule();
  }

  /** Goes to the newest line and stays there. */
  follow() {
    this.#following = true;
    this.#wanted = null;
    this.#jump.hidden = true;
    this.#toEnd();
    this.#scroller.focus({ preventScroll: true });
  }

  /** Goes to the line that was spoken at `start` seconds, or to the first, as soon as it is there. */
  seek(start = -Infinity) {
    this.#wanted = start;
    this.#following = false;
    this.#schedule();
  }

  /** When the first line in view was spoken, in seconds; null at the beginning. */
  get place() {
    if (this.#scroller.scrollTop === 0) return null;
    const read = this.#read();
    return this.#shown.find(({ item }) => item === read?.item)?.line.start ?? null;
  }

  clear() {
    this.#shown = [];
    this.#known.clear();
    this.#tabStop = null;
    this.#waiting = [];
    this.#wanted = null;
    this.#list.replaceChildren();
    this.#announcer?.replaceChildren();
    this.#following = true;
    this.#jump.hidden = true;
  }

  #schedule() {
    this.#timer ??= setTimeout(() => this.#draw(), FRAME_MS);
  }

  #draw() {
    this.#timer = null;
    const held = this.#following ? null : this.#read();
    for (const { put, remove } of this.#waiting.splice(0, BATCH)) {
      if (put) this.#put(put);
      else this.#remove(remove);
    }
    if (this.#following) this.#toEnd();
    else if (this.#wanted !== null) this.#seekNow();
    else if (held?.item.isConnected) this.#shift(held.item.getBoundingClientRect().top - held.top);
    this.#roveToNewest();
    if (this.#waiting.length > 0) this.#schedule();
  }

  #seekNow() {
    const found = this.#shown.find(({ line, item }) => line.start >= this.#wanted - 0.05 && item.checkVisibility());
    if (found === undefined) return;
    const sought = Number.isFinite(this.#wanted);
    this.#wanted = null;
    found.item.scrollIntoView({ block: "center" });
    found.item.classList.toggle("sought", sought);
    this.#rove(found.item.querySelector(".mark"));
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    // Lines that made room for others are no reader at the end, while one is still to be gone to.
    this.#following = this.#wanted === null && scrollHeight - scrollTop - clientHeight < AT_END_PX;
    this.#jump.hidden = this.#following;
  }

  /** A banner that comes or goes moves the view, but not what is being read in it. */
  #resized() {
    const { top, height } = this.#scroller.getBoundingClientRect();
    if (this.#following) this.#toEnd();
    else if (this.#top !== null && height > 0) this.#shift(top - this.#top);
    this.#top = height > 0 ? top : null;
  }

  /** The first line in view and where it is: what a reader who scrolled up is reading, and must not move. */
  #read() {
    const { top: edge } = this.#scroller.getBoundingClientRect();
    let [low, high] = [0, this.#shown.length - 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#shown[middle].item.getBoundingClientRect().bottom > edge) high = middle;
      else low = middle + 1;
    }
    const item = this.#shown[low]?.item;
    return item && { item, top: item.getBoundingClientRect().top };
  }

  /** Browsers cut scroll positions down to whole pixels; rounding keeps them from creeping up. */
  #shift(pixels) {
    this.#scroller.scrollTop += Math.round(pixels);
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  // --- lines --------------------------------------------------------------------------------------

  #put(line) {
    const known = this.#known.get(line.key);
    const one = known ?? { line, item: build(line) };
    if (known?.line.start !== line.start) this.#place(line, one, known);
    one.line = line;
    write(one.item, line);
    this.#showMark(one);
    if (line.kind === "speech" && line.final && line.stable) this.#announce(line);
  }

  /** Puts an item where it belongs in time, which is nearly always near the end. */
  #place(line, one, known) {
    if (known) this.#shown.splice(this.#shown.indexOf(one), 1);
    else this.#known.set(line.key, one);
    const before = this.#shown.findLastIndex((other) => other.line.start <= line.start);
    this.#list.insertBefore(one.item, this.#shown[before + 1]?.item ?? null);
    this.#shown.splice(before + 1, 0, one);
  }

  #remove(key) {
    const one = this.#known.get(key);
    if (one === undefined) return;
    this.#known.delete(key);
    this.#shown.splice(this.#shown.lastIndexOf(one), 1);
    one.item.remove();
  }

  /** Only finished text is read out; what may still change would never come to an end. */
  #announce(line) {
    if (this.#announcer === null) return;
    this.#announcer.append(element("p", "", `${NAMES[line.source]}: ${line.stable}`));
    while (this.#announcer.childElementCount > ANNOUNCED) this.#announcer.firstElementChild.remove();
  }

  // --- marks: one button a line, of which one is in the order of Tab; arrow keys go to the others ---

  #showMark({ line, item }) {
    const marked = this.#marks.has(line.key);
    if (marked === item.classList.contains("marked")) return;
    item.classList.toggle("marked", marked);
    item.querySelector(".mark")?.setAttribute("aria-pressed", String(marked));
  }

  #clicked(target) {
    const button = target.closest(".mark");
    if (button === null) return;
    const one = this.#shown.find(({ item }) => item === button.parentElement);
    this.#marks.toggle(one.line.key);
    this.#showMark(one);
    this.#rove(button);
  }

  #pressed(event) {
    const way = WAYS[event.key];
    if (way === undefined || !event.target.matches(".mark")) return;
    event.preventDefault();
    let item = event.target.parentElement[way];
    while (item && !item.querySelector(".mark")?.checkVisibility()) item = item[way];
    if (item === null) return;
    this.#rove(item.querySelector(".mark"));
    this.#tabStop.focus();
  }

  /** The order of Tab leads to the newest line, unless somebody is at another one. */
  #roveToNewest() {
    if (this.#tabStop?.isConnected && !(this.#following && !this.#list.contains(document.activeElement))) return;
    this.#rove(this.#shown.findLast(({ line }) => line.kind === "speech")?.item.querySelector(".mark"));
  }

  #rove(button) {
    if (button === this.#tabStop) return;
    if (this.#tabStop) this.#tabStop.tabIndex = -1;
    this.#tabStop = button ?? null;
    if (button) button.tabIndex = 0;
  }
}

function build(line) {
  const item = element("li", `line ${line.kind}`);
  item.dataset.source = line.source;
  item.append(element("span", "who", NAMES[line.source]), element("time", "when"), element("p", "said"));
  if (line.kind === "speech") item.append(markButton());
  return item;
}

function markButton() {
  const button = element("button", "mark");
  button.type = "button";
  button.tabIndex = -1;
  button.setAttribute("aria-label", "Mark this line");
  button.setAttribute("aria-pressed", "false");
  return button;
}

function write(item, line) {
  const when = item.querySelector(".when");
  when.textContent = clock(line.start);
  when.dateTime = `PT${line.start.toFixed(1)}S`;
  const said = item.querySelector(".said");
  if (line.kind === "gap") {
    item.dataset.status = line.status;
    said.textContent = describeGap(line);
    return;
  }
  item.classList.toggle("echo", line.echo === true);
  if (line.parts) {
    said.replaceChildren(...line.parts.map(({ text, echo }) => element("span", echo ? "stable overheard" : "stable", `${text} `)));
    return;
  }
  const kind = line.echo ? " overheard" : "";
  said.replaceChildren(element("span", `stable${kind}`, line.stable));
  if (line.overheard) said.prepend(element("span", "tail overheard", `${line.overheard} `));
  if (line.tail) said.append(line.stable ? " " : "", element("span", `tail${kind}`, line.tail));
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
