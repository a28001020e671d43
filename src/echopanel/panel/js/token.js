/** Asks for the server's token when it wants one. */
export class TokenDialog {
  #dialog;
  #input;
  #notice;
  #form;
  #given = null;

  /** `onToken(token)` is told every token that is given. */
  constructor(dialog, onToken) {
    this.#dialog = dialog;
    this.#form = dialog.querySelector("form");
    this.#input = dialog.querySelector("input");
    this.#notice = dialog.querySelector(".notice");
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = this.#input.value.trim();
      this.#input.value = "";
      this.#dialog.close();
      onToken(token);
      this.#given?.();
    });
  }

  /** `wrong`: one was presented and not accepted. `onCancel` is called when nobody gives one, `onGiven` when one is. */
  ask(wrong, { onGiven = () => {}, onCancel = () => {} } = {}) {
    if (this.#dialog.open) return;
    this.#notice.textContent = wrong ? "That token was not accepted." : "";
    this.#given = onGiven;
    this.#dialog.oncancel = onCancel;
    this.#dialog.showModal();
  }
}
