import { clock } from "./transcript.js";

/** What the sources are called. */
export const NAMES = Object.freeze({ mic: "You", system: "Others" });

const AT_END_PX = 40; // closer to the end than this is reading along
const FRAME_MS = 16;
const BATCH = 200; // changes drawn at a time, so that a long transcript does not freeze the page
const ANNOUNCED = 4; // finished lines that stay for a screen reader

/** The lines of a transcript in the page; it follows the newest until its reader scrolls up. */
export class Captions {
  #scroller;
  #list;
  #jump;
  #announcer;
  #shown = []; // {line, item}, as spoken
  #waiting = []; // changes to be shown
  #timer = null;
  #following = true;

  constructor({ scroller, list, jump, announcer }) {
    this.#scroller = scroller;
    this.#list = list;
    this.#jump = jump;
    this.#announcer = announcer;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    jump.addEventListener("click", () => this.follow());
    new ResizeObserver(() => this.#following && this.#toEnd()).observe(scroller);
  }

  /** Shows the changes that a Transcript reports; what comes at once is drawn at once. */
  apply(changes) {
    this.#waiting.push(...changes);
    this.#schedule();
  }

  /** Goes to the newest line and stays there. */
  follow() {
    this.#following = true;
    this.#jump.hidden = true;
    this.#toEnd();
    this.#scroller.focus({ preventScroll: true });
  }

  clear() {
    this.#shown = [];
    this.#waiting = [];
    this.#list.replaceChildren();
    this.#announcer.replaceChildren();
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
    else if (held?.item.isConnected) this.#shift(held.item.getBoundingClientRect().top - held.top);
    if (this.#waiting.length > 0) this.#schedule();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#following = scrollHeight - scrollTop - clientHeight < AT_END_PX;
    this.#jump.hidden = this.#following;
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

  #put(line) {
    const known = this.#shown.findLast((one) => one.line.key === line.key);
    const item = known?.item ?? build(line);
    if (known?.line.start !== line.start) this.#place(line, item, known);
    else known.line = line;
    write(item, line);
    if (line.kind === "speech" && line.final) this.#announce(line);
  }

  /** Puts an item where it belongs in time, which is nearly always near the end. */
  #place(line, item, known) {
    if (known) this.#shown.splice(this.#shown.indexOf(known), 1);
    const before = this.#shown.findLastIndex((one) => one.line.start <= line.start);
    this.#list.insertBefore(item, this.#shown[before + 1]?.item ?? null);
    this.#shown.splice(before + 1, 0, { line, item });
  }

  #remove(key) {
    const at = this.#shown.findLastIndex((one) => one.line.key === key);
    if (at >= 0) this.#shown.splice(at, 1)[0].item.remove();
  }

  /** Only finished text is read out; what may still change would never come to an end. */
  #announce(line) {
    this.#announcer.append(element("p", "", `${NAMES[line.source]}: ${line.stable}`));
    while (this.#announcer.childElementCount > ANNOUNCED) this.#announcer.firstElementChild.remove();
  }
}

function build(line) {
  const item = element("li", `line ${line.kind}`);
  item.dataset.source = line.source;
  item.append(element("span", "who", NAMES[line.source]), element("time", "when"), element("p", "said"));
  return item;
}

function write(item, line) {
  const when = item.querySelector(".when");
  when.textContent = clock(line.start);
  when.dateTime = `PT${line.start.toFixed(1)}S`;
  const said = item.querySelector(".said");
  if (line.kind === "gap") {
    item.dataset.status = line.status;
    said.textContent = gapText(line);
    return;
  }
  said.replaceChildren(element("span", "stable", line.stable));
  if (line.tail) said.append(line.stable ? " " : "", element("span", "tail", line.tail));
}

function gapText({ status, seconds }) {
  const length = seconds < 3 ? seconds.toFixed(1) : Math.round(seconds);
  return status === "pending" ? `${length} s being recognised later` : `${length} s could not be recognised`;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
