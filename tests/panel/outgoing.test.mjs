import assert from "node:assert/strict";
import { test } from "node:test";
import { panel, vectors } from "./shared.mjs";

const { leastS } = await panel("framing.js");
const { Outgoing } = await panel("outgoing.js");

test("frames get as long as the Python client's while the server decodes rarely", () => {
  for (const [interval, least] of vectors.framing) assert.ok(Math.abs(leastS(interval) - least) < 1e-9);
});

test("what is said, and when, is what the Python client says", () => {
  for (const script of vectors.outgoing) {
    const outgoing = new Outgoing(["mic", "system"]);
    for (const { op, allowance, says, ...step } of script) {
      if (op === "add") outgoing.add(frame(step));
      if (op === "follow") outgoing.follow(step.interval);
      if (op === "acknowledge") outgoing.acknowledge(step.source, step.sample);
      if (op === "restart") outgoing.restart(step.ready);
      if (op === "stop") outgoing.stopping = true;
      if (says) assert.deepEqual(said(outgoing, { allowance: () => allowance }), says);
    }
  }
});

function frame({ source, start, count, capturedMs, skipped }) {
  return { source, start, pcm: new Int16Array(count), capturedMs, skipped };
}

/** All that is to be said now. */
function said(outgoing, wire) {
  const messages = [];
  for (let message = outgoing.next(wire); message !== null; message = outgoing.next(wire)) {
    if (message.type === "stop") return [...messages, { captured: message.captured }];
    const { source, start, pcm, capturedMs, skipped } = message.frame;
    messages.push({ source, start, count: pcm.length, capturedMs, skipped });
  }
  return messages;
}
