import assert from "node:assert/strict";
import { test } from "node:test";
import { panel, vectors } from "./shared.mjs";

const { Link } = await panel("link.js");
const { Phase } = await panel("phase.js");

let sockets = [];

globalThis.WebSocket = class {
  constructor() {
    sockets.push(this);
  }

  close() {}
};

function linked(options = {}) {
  sockets = [];
  const at = { now: 0, u: 0.5 };
  const link = new Link({
    url: "http://127.0.0.1:1/", path: () => "/", now: () => at.now, random: () => at.u, onData: () => {}, onChange: () => {},
    ...options,
  });
  link.open();
  return { link, at };
}

test("attempts, waits and giving up are those of the Python client", () => {
  for (const script of vectors.retry) {
    const { link, at } = linked();
    for (const { op, now, u, atLeast, returns } of script) {
      const before = sockets.length;
      Object.assign(at, { now, u });
      if (op === "failed") link.failed(null, "", atLeast);
      else link[op]();
      const phase = { ready: Phase.LIVE, failed: returns === null ? Phase.LOST : Phase.WAITING }[op];
      assert.equal(link.phase, phase ?? (returns > 0 ? Phase.WAITING : Phase.CONNECTING));
      if (returns > 0) assert.ok(Math.abs(link.at - now - returns) < 1e-9);
      assert.equal(sockets.length - before, returns === 0 && op !== "failed" ? 1 : 0);
    }
  }
});

test("an error that is final ends it, unless it was made good", () => {
  const { link } = linked();
  link.failed("unknown_session", "no");
  assert.equal(link.phase, Phase.REFUSED);
  const again = linked({ onFinal: (code) => code === "unknown_session" }).link;
  again.failed("unknown_session", "no");
  assert.equal(again.phase, Phase.CONNECTING);
  again.failed("invalid_start", "no");
  assert.equal(again.phase, Phase.REFUSED);
});

test("what a socket that was given up still says is not heard", () => {
  const heard = [];
  const { link } = linked({ onData: (data) => heard.push(data) });
  link.failed(null, "");
  link.reconnect();
  sockets[0].onmessage({ data: "old" });
  sockets[0].onclose({ code: 1006, reason: "" });
  sockets[1].onmessage({ data: "new" });
  assert.deepEqual([heard, link.phase], [["new"], Phase.CONNECTING]);
});
