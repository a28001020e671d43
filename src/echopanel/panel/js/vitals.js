import { ceiling, draw } from "./chart.js";
import { quality, reasonOf } from "./quality.js";
import { delay } from "./words.js";

const SECONDS = 120; // of history in the charts; the server reports about once a second
const SMALL = { width: 72, height: 20, count: SECONDS };
const LARGE = { width: 280, height: 72, count: SECONDS };
const LEAST_LAG_S = 2;
const TOPS = [1, 1.5, 2, 3, 5, 10]; // of the scale of load

/** How well a running session does: how far the text is behind, quality, load, and how they went of late. */
export class Vitals {
  #root;
  #panel;
  #series = { lag: [], load: [] };

  /** `root` is the button with the short form, `panel` what it opens. */
  constructor(root, panel) {
    this.#root = root;
    this.#panel = panel;
  }

  clear() {
    this.#series = { lag: [], load: [] };
    this.#root.hidden = true;
    this.#panel.hidePopover();
  }

  /** A `flow` message came; `model` is what recognises. */
  add(flow, model) {
    const lag = lagOf(flow);
    for (const [name, value] of [["lag", lag], ["load", flow.load ?? null]]) {
      const values = this.#series[name];
      values.push(value);
      if (values.length > SECONDS) values.shift();
    }
    this.#root.hidden = false;
    this.#show(flow, lag, model);
  }

  #show(flow, lag, model) {
    const behind = lag === null ? "–" : delay(lag);
    const most = ceiling(Math.max(...this.#series.lag.filter((one) => one !== null), 0), LEAST_LAG_S);
    this.#write(this.#root, { lag: behind });
    const load = flow.load === undefined ? "–" : `${Math.round(flow.load * 100)} %`;
    const { name, why } = quality(flow);
    const reason = flow.reason ? why.replace(/\.$/, ` (${reasonOf(flow)}).`) : why;
    this.#write(this.#panel, { lag: behind, load, quality: name, model, most: `${most} s`, reason });
    this.#root.dataset.tone = flow.level > 0 ? "warn" : "idle";
    this.#root.setAttribute("aria-label", `Text is ${behind} behind. Quality: ${name}. Load: ${load}.`);
    const { lag: lags, load: loads } = this.#series;
    draw(this.#root.querySelector("svg"), { lag: lags }, { ...SMALL, most });
    draw(this.#panel.querySelector(".lag-chart"), { lag: lags }, { ...LARGE, most });
    const highest = TOPS.find((top) => top >= Math.max(...loads)) ?? TOPS.at(-1);
    this.#write(this.#panel, { highest: `${highest * 100} %` });
    draw(this.#panel.querySelector(".load-chart"), { load: loads, limit: loads.map(() => 1) }, { ...LARGE, most: highest });
  }

  #write(root, values) {
    for (const [name, text] of Object.entries(values)) {
      const element = root.querySelector(`[data-value="${name}"]`);
      if (element && element.textContent !== text) element.textContent = text;
    }
  }
}

/** How far the newest word is behind, of the source where that is most; null when nothing was said yet. */
function lagOf(flow) {
  const lags = Object.values(flow.sources).map((source) => source.lag_s).filter((lag) => typeof lag === "number");
  return lags.length > 0 ? Math.max(...lags) : null;
}
