import { canShareAudio, microphones } from "./devices.js";

const HINTS = {
  display: "Your browser will ask what to share: pick the tab of your call, and leave the switch for its audio on.",
  file: "Plays silently, at the speed of speech. For trying it out.",
  off: "Only your side will be written down.",
};
const NO_SHARING = "This browser cannot share sound. Chrome, Edge and others built on Chromium can.";
const REMEMBERED = "echopanel.sources";

/** The form with which a person chooses what to record. */
export class Setup {
  #form;
  #storage;

  constructor(form, storage) {
    this.#form = form;
    this.#storage = storage;
    if (!canShareAudio()) this.#withoutSharing();
    this.#recall();
    form.addEventListener("change", () => this.#show());
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.listMicrophones());
    this.#show();
    this.listMicrophones();
  }

  /** `{mic: device id or null, system: "display", a File or null}`. */
  get choice() {
    const { mic, system, device, file } = this.#form.elements;
    const others = { display: "display", file: file.files[0] ?? null, off: null }[system.value];
    return { mic: mic.value === "off" ? null : device.value, system: others };
  }

  /** What is missing before it can start, or "". */
  get complaint() {
    const { mic, system, file } = this.#form.elements;
    if (system.value === "file" && file.files.length === 0) return "Choose a recording first.";
    return mic.value === "off" && system.value === "off" ? "Switch on at least one of the two." : "";
  }

  /** Notes what to offer next time. */
  remember() {
    const { mic, system } = this.#form.elements;
    this.#storage.setItem(REMEMBERED, JSON.stringify({ mic: mic.value, system: system.value }));
  }

  /** Fills the list of microphones, which browsers tell only after one was allowed. */
  async listMicrophones() {
    const { device } = this.#form.elements;
    const chosen = device.value;
    const found = await microphones();
    device.replaceChildren(device.options[0], ...found.map(({ id, label }) => new Option(label, id, false, id === chosen)));
    this.#show();
  }

  #recall() {
    const last = JSON.parse(this.#storage.getItem(REMEMBERED) ?? "{}");
    this.#form.querySelector("#first-run").hidden = Object.keys(last).length > 0;
    for (const [name, value] of Object.entries(last)) {
      const option = this.#form.querySelector(`input[name="${name}"][value="${CSS.escape(value)}"]`);
      if (option && !option.disabled) option.checked = true;
    }
  }

  #withoutSharing() {
    const [display] = this.#form.elements.system;
    display.disabled = true;
    this.#form.elements.system.value = "off";
  }

  #show() {
    const { mic, system, device } = this.#form.elements;
    this.#form.querySelector("#device-row").hidden = mic.value === "off" || device.options.length < 3;
    this.#form.querySelector("#file-row").hidden = system.value !== "file";
    const blocked = system.value === "off" && !canShareAudio();
    this.#form.querySelector("#system-hint").textContent = blocked ? NO_SHARING : HINTS[system.value];
  }
}
