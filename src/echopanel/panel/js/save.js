import { stamp } from "./dates.js";

/** The menu that copies a transcript or saves it as a file. */
export class SaveMenu {
  #menu;
  #button;

  /**
   * `copy(what)` gives the text of "all" or "marked" lines, `fetch(format)` a Blob, `name()` what to call the file;
   * `onNote(text)` is told what came of it.
   */
  constructor(menu, button, { copy, fetch, name, onNote }) {
    this.#menu = menu;
    this.#button = button;
    menu.addEventListener("click", (event) => {
      const { format, copy: what } = event.target.closest("button")?.dataset ?? {};
      if (format === undefined && what === undefined) return;
      menu.hidePopover();
      const done = format ? this.#save(format, fetch, name()) : this.#copy(copy(what));
      done.then(onNote, (error) => onNote(error.message));
    });
  }

  enable(on) {
    if (on === !this.#button.hidden) return;
    this.#button.hidden = !on;
    if (!on) this.#menu.hidePopover();
  }

  async #copy(text) {
    if (!text) return "There is nothing to copy yet.";
    await navigator.clipboard.writeText(text);
    return "Copied";
  }

  async #save(format, fetch, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await fetch(format));
    link.download = `${name.replaceAll(/[/\\:*?"<>|]/g, " ").trim() || "Captions"} ${stamp(new Date())}.${format}`;
    link.click();
    URL.revokeObjectURL(link.href);
    return `Saved ${link.download}`;
  }
}
