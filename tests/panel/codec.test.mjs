import assert from "node:assert/strict";
import { test } from "node:test";
import { panel, vectors } from "./shared.mjs";

const { ERRORS, ProtocolError, codeOfClose, decode, encode, subprotocols } = await panel("codec.js");
const { Connection, Credit, State, TRANSITIONS } = await panel("connection.js");

test("frames have the same bytes as the Python side's", () => {
  for (const { frame, hex } of vectors.frames) {
    const data = encode({ type: "audio", frame: { ...frame, pcm: Int16Array.from(frame.pcm) } });
    assert.equal(Buffer.from(data).toString("hex"), hex);
  }
});

test("every message of the server is taken as it is", () => {
  for (const text of vectors.messages) assert.deepEqual(decode(text), JSON.parse(text));
});

test("unknown types are ignored, unknown fields are not minded", () => {
  assert.equal(decode('{"type": "weather", "rain": true}'), null);
  assert.equal(decode('{"type": "toString"}'), null);
  assert.equal(decode('{"type": "pong", "id": "1", "rain": true}').id, "1");
});

test("malformed messages are refused", () => {
  for (const text of vectors.malformed) assert.throws(() => decode(text), ProtocolError, text);
  assert.throws(() => decode(new ArrayBuffer(20)), ProtocolError);
});

test("the table of errors is the server's", () => {
  assert.deepEqual({ ...ERRORS }, vectors.errors);
  for (const [code, { closeCode }] of Object.entries(vectors.errors)) assert.equal(codeOfClose(closeCode), code);
  assert.equal(codeOfClose(1006), null);
});

test("a token is offered as a subprotocol in base64url", () => {
  for (const [token, encoded] of Object.entries(vectors.tokens)) {
    assert.deepEqual(subprotocols(token), ["echopanel.v1", `echopanel.token.${encoded}`]);
  }
  assert.deepEqual(subprotocols(""), ["echopanel.v1"]);
});

test("the table of states is the server's", () => {
  assert.deepEqual({ ...TRANSITIONS }, vectors.transitions);
});

test("credit is spent and granted as on the server", () => {
  for (const script of vectors.credit) {
    const credit = new Credit(100, 1000);
    for (const { op, a, n, allowance, limit } of script) {
      if (op === "spend") credit.spend(a, a + n);
      if (op === "grant") credit.grant(a);
      assert.deepEqual([credit.allowance(a), credit.limit], [allowance, limit]);
    }
  }
});

test("a connection lets audio through only while it is live, and only as far as credit goes", () => {
  const connection = new Connection();
  const start = { type: "start", version: 1, sources: ["mic"] };
  const frame = { source: "mic", start: 0, pcm: new Int16Array(60), capturedMs: 1, skipped: false };
  assert.throws(() => connection.send({ type: "audio", frame }), ProtocolError);
  connection.send(start);
  assert.throws(() => connection.send(start), ProtocolError);
  assert.equal(connection.allowance("mic", 0), 0);
  connection.receive(ready({ mic: { next: 0, credit: 100 } }));
  assert.equal(connection.allowance("mic", 0), 100);
  connection.send({ type: "audio", frame });
  assert.equal(connection.allowance("mic", 60), 40);
  connection.receive('{"type": "ack", "source": "mic", "sample": 60, "credit": 160}');
  assert.equal(connection.allowance("mic", 60), 100);
});

test("event numbers are remembered for resuming, and a fatal error ends a connection", () => {
  const connection = new Connection();
  connection.send({ type: "start", version: 1, sources: ["mic"], session: "s", resume_token: "t", last_event: 7 });
  assert.equal(connection.lastEvent, 7);
  connection.receive(ready({ mic: { next: 0, credit: 100 } }));
  connection.receive(vectors.messages.find((text) => text.includes('"final"')).replace('"event":1,', '"event":9,'));
  assert.equal(connection.lastEvent, 9);
  connection.receive('{"type": "error", "code": "internal", "message": "one chunk failed", "fatal": false}');
  assert.equal(connection.state, State.LIVE);
  connection.receive('{"type": "error", "code": "internal", "message": "the end"}');
  assert.equal(connection.state, State.CLOSED);
});

function ready(sources) {
  return JSON.stringify({
    type: "ready", version: 1, session: "s", resume_token: "t", resumed: false, sources, limits: {}, model: "tiny",
  });
}
