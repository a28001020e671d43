/** Keeps the screen on while it is wanted, where the browser can: a phone beside a call would go dark. */
export class Awake {
  #wanted = false;
  #lock = null;

  constructor() {
    document.addEventListener("visibilitychange", () => this.#get()); // browsers take the lock from hidden pages
  }

  want(wanted) {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    if (wanted) this.#get();
    else this.#lock?.release();
  }

  async #get() {
    if (!this.#wanted || document.visibilityState !== "visible") return;
    try {
      this.#lock = await navigator.wakeLock?.request("screen");
    } catch {
      // Refused, as when the battery is low: the page works all the same.
    }
  }
}
