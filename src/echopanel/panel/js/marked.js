import { NAMES } from "./captions.js";
import { clock } from "./transcript.js";

/** The menu of marked lines; choosing one goes to it. */
export class MarkedMenu {
  #menu;
  #button;

  /** `lines()` gives the marked lines in view, `onChoose(line)` is told which was chosen. */
  constructor(menu, button, { lines, onChoose }) {
    this.#menu = menu;
    this.#button = button;
    menu.addEventListener("beforetoggle", (event) => event.newState === "open" && this.#fill(lines(), onChoose));
  }

  enable(on) {
    if (on === !this.#button.hidden) return;
    this.#button.hidden = !on;
    if (!on) this.#menu.hidePopover();
  }

  #fill(lines, onChoose) {
    this.#menu.querySelector(".hint").hidden = lines.length > 0;
    const items = lines.map((line) => this.#item(line, onChoose));
    this.#menu.querySelector("ol").replaceChildren(...items);
  }

  #item(line, onChoose) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    item.dataset.source = line.source;
    for (const [name, text] of [["when", clock(line.start)], ["who", NAMES[line.source]], ["said", line.stable]]) {
      const part = document.createElement("span");
      part.className = name;
      part.textContent = text;
      button.append(part);
    }
    button.addEventListener("click", () => {
      this.#menu.hidePopover();
      onChoose(line);
    });
    item.append(button);
    return item;
  }
}
