import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { panel } from "./shared.mjs";

const { Client } = await panel("client.js");
const { Phase } = await panel("phase.js");

const LIMITS = { max_message_bytes: 65536, max_frame_samples: 1600 };

let sockets;
let now;
let messages;

/** A WebSocket without a network: the test plays the server. */
class FakeSocket {
  bufferedAmount = 0;
  sent = [];
  closed = false;

  constructor(address, subprotocols) {
    this.address = String(address);
    this.subprotocols = subprotocols;
    sockets.push(this);
  }

  send(data) {
    this.sent.push(typeof data === "string" ? JSON.parse(data) : audio(data));
  }

  close() {
    this.closed = true;
  }

  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }

  /** Opens, and lets the client's `start` through. */
  ready({ resumed = false, next = 0, credit = 160000, session = "s1" } = {}) {
    this.onopen();
    this.say({
      type: "ready", version: 1, session, resume_token: "t1", resumed, limits: LIMITS, model: "tiny",
      sources: { mic: { next, credit }, system: { next: 0, credit } },
    });
  }

  of(type) {
    return this.sent.filter((message) => message.type === type);
  }
}

function audio(buffer) {
  const view = new DataView(buffer);
  const source = ["mic", "system"][view.getUint8(1)];
  const start = Number(view.getBigUint64(4, true));
  return { type: "audio", source, start, count: (buffer.byteLength - 20) / 2, skipped: view.getUint8(2) === 1 };
}

function frame(start, count = 800, source = "mic") {
  return { source, start, pcm: new Int16Array(count), capturedMs: 1000 + start / 16, skipped: false };
}

function make(changes = {}) {
  const client = new Client({
    url: "http://127.0.0.1:1/#x", sources: ["mic", "system"], now: () => now, random: () => 0.5, onChange: () => {},
    onMessage: (message) => messages.push(message), ...changes,
  });
  client.connect();
  return client;
}

beforeEach(() => {
  sockets = [];
  messages = [];
  now = 100;
  globalThis.WebSocket = FakeSocket;
});

test("what was captured before the session is open is sent once it is", () => {
  const client = make({ token: "correct-horse" });
  client.send(frame(0));
  const [socket] = sockets;
  assert.equal(socket.address, "ws://127.0.0.1:1/v1/live");
  assert.deepEqual(socket.subprotocols, ["echopanel.v1", "echopanel.token.Y29ycmVjdC1ob3JzZQ"]);
  socket.ready();
  assert.deepEqual(socket.sent.map((message) => message.type), ["start", "audio"]);
  assert.equal(client.phase, Phase.LIVE);
});

test("no more is sent than credit allows, and the rest as soon as it does", () => {
  const client = make();
  sockets[0].ready({ credit: 1000 });
  for (let start = 0; start < 4000; start += 800) client.send(frame(start));
  const sent = () => sockets[0].of("audio").reduce((sum, one) => sum + one.count, 0);
  assert.equal(sent(), 1000);
  sockets[0].say({ type: "ack", source: "mic", sample: 1000, credit: 2500 });
  assert.equal(sent(), 2500);
  assert.equal(client.unsentS, 1500 / 16000);
});

test("frames are longer while the server decodes rarely", () => {
  const client = make();
  sockets[0].ready();
  client.send(frame(0));
  sockets[0].say({ type: "flow", level: 1, chunk_interval_s: 1, sources: {} });
  for (let start = 800; start < 4800; start += 800) client.send(frame(start));
  assert.deepEqual(sockets[0].of("audio").map(({ count }) => count), [800, 1600, 1600]);
  client.stop();
  assert.deepEqual(sockets[0].of("audio").at(-1).count, 800);
});

test("a socket that is full is left alone", () => {
  const client = make();
  sockets[0].ready();
  sockets[0].bufferedAmount = 1e6;
  client.send(frame(0));
  assert.equal(sockets[0].of("audio").length, 0);
  sockets[0].bufferedAmount = 0;
  client.tick();
  assert.equal(sockets[0].of("audio").length, 1);
});

test("after a cut it resumes where the server stands, and sends nothing twice that was acknowledged", () => {
  const client = make();
  sockets[0].ready();
  for (let start = 0; start < 3200; start += 800) client.send(frame(start));
  sockets[0].say({ type: "ack", source: "mic", sample: 800, credit: 160000 });
  sockets[0].say({
    type: "final", event: 7, segment: "mic-1", source: "mic", start: 0, text: "One.", start_sample: 0, end_sample: 800,
  });
  sockets[0].onclose({ code: 1006, reason: "" });
  assert.equal(client.phase, Phase.WAITING);
  client.send(frame(3200));
  now += 0.9;
  client.tick();
  assert.equal(sockets.length, 1);
  now += 0.2;
  client.tick();
  sockets[1].ready({ resumed: true, next: 1000 });
  const [start] = sockets[1].of("start");
  assert.deepEqual([start.session, start.resume_token, start.last_event], ["s1", "t1", 7]);
  const pieces = sockets[1].of("audio");
  assert.deepEqual(pieces.map(({ start: at, count }) => [at, count]), [[1000, 1600], [2600, 1400]]);
  assert.ok(pieces.every((piece) => !piece.skipped));
});

test("a session that the server has forgotten goes on in a new one, without counting the past as lost", () => {
  const client = make();
  sockets[0].ready();
  for (let start = 0; start < 3200; start += 800) client.send(frame(start));
  sockets[0].say({ type: "ack", source: "mic", sample: 1600, credit: 160000 });
  sockets[0].onclose({ code: 1006, reason: "" });
  client.reconnect();
  sockets[1].onopen();
  sockets[1].say({ type: "error", code: "unknown_session", message: "no such session" });
  sockets[2].ready({ session: "s2" });
  const [start] = sockets[2].of("start");
  assert.deepEqual([start.continues, start.session], ["s1", undefined]);
  assert.deepEqual(sockets[2].of("audio"), [{ type: "audio", source: "mic", start: 1600, count: 1600, skipped: true }]);
  assert.equal(client.session.id, "s2");
});

test("stop comes behind all audio, says where each source ended, and stopped ends it", () => {
  const client = make();
  sockets[0].ready({ credit: 800 });
  client.send(frame(0));
  client.send(frame(800));
  client.stop();
  client.send(frame(1600));
  assert.equal(sockets[0].of("stop").length, 0);
  sockets[0].say({ type: "ack", source: "mic", sample: 800, credit: 160000 });
  assert.deepEqual(sockets[0].sent.at(-1), { type: "stop", captured: { mic: 1600, system: 0 } });
  sockets[0].say({ type: "stopped", session: "s1", coverage: {} });
  assert.equal(client.phase, Phase.STOPPED);
  assert.ok(sockets[0].closed);
});

test("a stop that was not answered is sent again", () => {
  const client = make();
  sockets[0].ready();
  client.stop();
  sockets[0].onclose({ code: 1006, reason: "" });
  client.reconnect();
  sockets[1].ready({ resumed: true });
  assert.equal(sockets[1].of("stop").length, 1);
});

test("a wrong token asks for another, which is then used", () => {
  const client = make();
  sockets[0].onopen();
  sockets[0].say({ type: "error", code: "unauthorized", message: "the token is wrong" });
  assert.equal(client.phase, Phase.DENIED);
  client.authorize("right-token");
  assert.equal(sockets[1].subprotocols.length, 2);
  sockets[1].ready();
  assert.equal(client.phase, Phase.LIVE);
});

test("a refusal that is known only by its close code is understood", () => {
  const client = make();
  sockets[0].onclose({ code: 4401, reason: "" });
  assert.equal(client.phase, Phase.DENIED);
});

test("a busy server is left alone for as long as it asked", () => {
  const client = make();
  sockets[0].onopen();
  sockets[0].say({ type: "error", code: "session_limit", message: "10 of 10", retry_after: 30 });
  assert.deepEqual([client.phase, client.at], [Phase.WAITING, 137.5]);
});

test("what trying again cannot help is not tried again", () => {
  const client = make();
  sockets[0].ready();
  sockets[0].say({ type: "error", code: "session_taken_over", message: "elsewhere" });
  now += 1000;
  client.tick();
  assert.deepEqual([client.phase, sockets.length], [Phase.REFUSED, 1]);
});

test("it gives up after fifteen further attempts, and begins anew when asked", () => {
  const client = make();
  for (let i = 0; i < 200 && client.phase !== Phase.LOST; i += 1) {
    if (client.phase === Phase.CONNECTING) sockets.at(-1).onclose({ code: 1006, reason: "" });
    now += 61;
    client.tick();
  }
  assert.equal(client.phase, Phase.LOST);
  assert.equal(sockets.length, 16);
  client.reconnect();
  sockets.at(-1).ready();
  assert.equal(client.phase, Phase.LIVE);
});

test("a server that does not answer, at first or later, is given up", () => {
  const client = make();
  now += 16;
  client.tick();
  assert.equal(client.phase, Phase.WAITING);
  client.reconnect();
  sockets[1].ready();
  now += 11;
  client.tick();
  assert.equal(sockets[1].of("ping").length, 1);
  now += 5;
  client.tick();
  assert.equal(client.phase, Phase.WAITING);
});

test("nonsense from the server ends the connection for good", () => {
  const client = make();
  sockets[0].ready();
  sockets[0].onmessage({ data: "{" });
  assert.equal(client.phase, Phase.REFUSED);
  assert.ok(sockets[0].closed);
});

test("what an old socket still says is not heard", () => {
  const client = make();
  sockets[0].ready();
  sockets[0].onclose({ code: 1006, reason: "" });
  client.reconnect();
  sockets[0].say({ type: "pong", id: "late" });
  sockets[0].onclose({ code: 1006, reason: "" });
  assert.equal(client.phase, Phase.CONNECTING);
  assert.deepEqual(messages.map((message) => message.type), ["ready"]);
});
