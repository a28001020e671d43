import assert from "node:assert/strict";
import { test } from "node:test";
import { panel } from "./shared.mjs";

const { accounted, delay, duration } = await panel("words.js");
const { reasonOf } = await panel("quality.js");
const { readRoute, sessionRoute } = await panel("route.js");
const { Marks } = await panel("marks.js");
const { ceiling, points } = await panel("chart.js");

test("lengths of time read as people say them", () => {
  const lengths = [0, 59, 60, 3540, 3600, 3900, 7200];
  assert.deepEqual(lengths.map(duration), ["0 s", "59 s", "1 min", "59 min", "1 h", "1 h 5 min", "2 h"]);
  assert.deepEqual([0.04, 0.62, 9.96, 12.4].map(delay), ["0.0 s", "0.6 s", "10 s", "12 s"]);
});

test("what became of the sound is one word, or says what is missing", () => {
  const of = (captured, pending, lost) => accounted({ mic: { captured, pending, lost } }).text;
  assert.equal(of(0, 0, 0), "Nothing was heard");
  assert.equal(accounted({}).text, "Nothing was heard");
  assert.equal(of(160000, 0, 0), "Complete");
  assert.equal(of(160000, 16000, 32000), "2.0 s could not be recognised");
  assert.equal(of(160000, 16000, 0), "1.0 s not recognised yet");
});

test("an address names a view, and what is none leads to the beginning", () => {
  const id = "0123456789abcdef";
  assert.deepEqual(readRoute(sessionRoute(id)), { view: "session", id, at: null });
  assert.deepEqual(readRoute(sessionRoute(id, 12.34)), { view: "session", id, at: 12.3 });
  assert.equal(readRoute(`#/session/${id}/x`).at, 0);
  for (const hash of ["", "#", "#/", "#/nonsense", "#/session", "#/session/..%2f", "#token=x"]) {
    assert.deepEqual(readRoute(hash), { view: "now", id: null, at: null });
  }
  assert.equal(readRoute("#/history").view, "history");
});

class Storage {
  items = {};
  getItem(key) {
    return this.items[key] ?? null;
  }
  setItem(key, value) {
    this.items[key] = value;
  }
}

test("marks stay over a reload, and move to the text that takes their place", () => {
  const storage = new Storage();
  const marks = new Marks(storage);
  marks.toggle("s mic-1");
  marks.toggle("s mic-2");
  marks.toggle("s mic-2");
  marks.move(["s mic-7"], "s mic-8");
  marks.move(["s mic-0", "s mic-1"], "s mic-1r");
  const again = new Marks(storage);
  const kept = ["s mic-1", "s mic-2", "s mic-8", "s mic-1r"].map((key) => again.has(key));
  assert.deepEqual(kept, [false, false, false, true]);
});

test("the oldest marks are forgotten before they fill the browser", () => {
  const storage = new Storage();
  const marks = new Marks(storage);
  for (let i = 0; i < 1200; i += 1) marks.toggle(`s ${i}`);
  const again = new Marks(storage);
  assert.deepEqual([again.has("s 0"), again.has("s 1199")], [false, true]);
});

test("a chart ends at its right edge and leaves out what is not known", () => {
  const scale = { width: 30, height: 10, most: 2, count: 4 };
  assert.equal(points([null, 0, 5], scale), "20.0,10.0 30.0,0.0");
  assert.deepEqual([ceiling(0.1, 2), ceiling(2.1, 2), ceiling(700, 2)], [2, 5, 700]);
});

test("the server's reason has load in percent", () => {
  const reasons = ["load 1.95", "load would be 0.6", "12 s of work queued", "asked for", ""];
  const told = ["load 195 %", "load would be 60 %", "12 s of work queued", "asked for", ""];
  assert.deepEqual(reasons.map((reason) => reasonOf({ reason })), told);
});
