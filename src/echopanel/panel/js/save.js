/** The menu that copies a transcript or saves it as a file. */
export class SaveMenu {
  #menu;
  #button;

  /** `copy()` gives the text, `fetch(format)` a Blob; `onNote(text)` is told what came of it. */
  constructor(menu, button, { copy, fetch, onNote }) {
    this.#menu = menu;
    this.#button = button;
    menu.addEventListener("click", (event) => {
      const { format, copy: copies } = event.target.closest("button")?.dataset ?? {};
      if (format === undefined && copies === undefined) return;
      menu.hidePopover();
      const done = format ? this.#save(format, fetch) : navigator.clipboard.writeText(copy()).then(() => "Copied");
      done.then(onNote, (error) => onNote(error.message));
    });
  }

  enable(on) {
    this.#button.disabled = !on;
    if (!on) this.#menu.hidePopover();
  }

  async #save(format, fetch) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await fetch(format));
    link.download = `Captions ${stamp(new Date())}.${format}`;
    link.click();
    URL.revokeObjectURL(link.href);
    return `Saved ${link.download}`;
  }
}

/** Local date and time as it sorts, and as every system takes it in a file name. */
function stamp(date) {
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}.${two(date.getMinutes())}`;
}
