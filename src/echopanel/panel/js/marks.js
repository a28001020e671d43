const STORED = "echopanel.marks";
const MAX = 1000; // the oldest are forgotten; this is a note in a browser, not an archive

/** Lines that somebody marked, kept by this browser. Keys are those of a Transcript's lines. */
export class Marks {
  #keys;
  #storage;

  constructor(storage) {
    this.#storage = storage;
    this.#keys = new Set(JSON.parse(storage.getItem(STORED) ?? "[]"));
  }

  has(key) {
    return this.#keys.has(key);
  }

  /** Marks a line, or takes its mark away. */
  toggle(key) {
    if (!this.#keys.delete(key)) this.#keys.add(key);
    this.#save();
  }

  /** A mark stays with what was said when better text takes its place. */
  move(replaced, key) {
    const marked = replaced.filter((one) => this.#keys.delete(one));
    if (marked.length === 0) return;
    this.#keys.add(key);
    this.#save();
  }

  #save() {
    this.#storage.setItem(STORED, JSON.stringify([...this.#keys].slice(-MAX)));
  }
}
