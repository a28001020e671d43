import assert from "node:assert/strict";
import { test } from "node:test";
import { panel } from "./shared.mjs";

const { Watcher } = await panel("watcher.js");
const { Phase } = await panel("phase.js");

/** A socket that does what a test says. */
class FakeSocket {
  static all = [];

  constructor(url, protocols) {
    Object.assign(this, { url: String(url), protocols, closed: false });
    FakeSocket.all.push(this);
  }

  close() {
    this.closed = true;
  }

  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
}

globalThis.WebSocket = FakeSocket;

function watching(options = {}) {
  const got = [];
  const clock = { now: 0 };
  FakeSocket.all = [];
  const watcher = new Watcher({
    url: "https://example.test/panel", session: "s1", now: () => clock.now, random: () => 0.5,
    onChange: () => {}, onMessage: (message) => got.push(message), ...options,
  });
  watcher.connect();
  return { watcher, got, clock, socket: () => FakeSocket.all.at(-1) };
}

const final = (event) => ({ type: "final", event, segment: `mic-${event}`, source: "mic", start: 1, text: "x" });
const stopped = { type: "stopped", session: "s1", coverage: {} };

test("it reads from the beginning to the end, with the token, and then no more", () => {
  const { watcher, got, socket } = watching({ token: "~~~" });
  assert.equal(socket().url, "wss://example.test/v1/sessions/s1/events?after=0");
  assert.deepEqual(socket().protocols, ["echopanel.v1", "echopanel.token.fn5-"]);
  socket().say(final(1));
  assert.equal(watcher.phase, Phase.LIVE);
  socket().say({ type: "news", of: "later versions" });
  socket().say(stopped);
  assert.deepEqual(got.map((message) => message.type), ["final", "stopped"]);
  assert.deepEqual([watcher.phase, socket().closed], [Phase.STOPPED, true]);
});

test("after a cut it comes back and asks for what it missed", () => {
  const { watcher, clock, socket } = watching();
  socket().say(final(7));
  socket().onclose({ code: 1006, reason: "" });
  assert.deepEqual([watcher.phase, watcher.at], [Phase.WAITING, 1]);
  clock.now = 1;
  watcher.tick();
  assert.equal(socket().url, "wss://example.test/v1/sessions/s1/events?after=7");
});

test("a server that lost power is asked for what comes instead", () => {
  const { watcher, clock, got, socket } = watching();
  socket().say({ type: "watching", session: "s1", last_event: 0 });
  assert.equal(watcher.phase, Phase.LIVE);
  socket().say(final(7));
  socket().onclose({ code: 1006, reason: "" });
  clock.now = 1;
  watcher.tick();
  socket().say({ type: "watching", session: "s1", last_event: 3 });
  assert.deepEqual([watcher.lastEvent, got.at(-1).type], [3, "watching"]);
  socket().say(final(5000));
  assert.equal(watcher.lastEvent, 5000);
});

test("a server that says nothing for long is not there", () => {
  const { watcher, clock, socket } = watching();
  socket().say(final(1));
  clock.now = 14;
  watcher.tick();
  assert.equal(watcher.phase, Phase.LIVE);
  clock.now = 15;
  watcher.tick();
  assert.equal(watcher.phase, Phase.WAITING);
});

test("errors that another try cannot help end it; a wrong token asks for another", () => {
  const { watcher, socket } = watching();
  socket().say({ type: "error", code: "unknown_session", message: "no", fatal: true });
  assert.equal(watcher.phase, Phase.REFUSED);
  const denied = watching({ token: "old" });
  denied.socket().say({ type: "error", code: "unauthorized", message: "no", fatal: true });
  assert.equal(denied.watcher.phase, Phase.DENIED);
  denied.watcher.authorize("new");
  assert.match(denied.socket().protocols[1], /bmV3$/);
});

test("it waits at least as long as the server asks, and takes no notice of trouble that is not its own", () => {
  const { watcher, clock, socket } = watching();
  socket().say({ type: "error", code: "storage_failed", message: "full", fatal: false });
  assert.equal(watcher.phase, Phase.LIVE);
  socket().say({ type: "error", code: "overloaded", message: "full", fatal: true, retry_after: 30 });
  assert.deepEqual([watcher.phase, watcher.at - clock.now], [Phase.WAITING, 37.5]);
});

test("what does not belong to the protocol ends the connection, not the page", () => {
  const { watcher, socket } = watching();
  socket().onmessage({ data: "{" });
  assert.equal(watcher.phase, Phase.REFUSED);
});
