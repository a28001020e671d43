import assert from "node:assert/strict";
import { test } from "node:test";
import { panel, vectors } from "./shared.mjs";

const { Heartbeat, Retry, backoff } = await panel("retry.js");
const { Replay } = await panel("replay.js");

test("delays between attempts are those of the Python client", () => {
  for (const [attempt, u, delay] of vectors.backoff) close(backoff(attempt, u), delay);
});

test("retry and breaker decide as the Python client's do", () => {
  for (const script of vectors.retry) {
    const retry = new Retry();
    for (const { op, now, u, atLeast, returns } of script) {
      if (op === "reconnect") retry.reset();
      if (op === "attempt" || op === "reconnect") close(retry.attempt(now), returns);
      if (op === "failed") close(retry.failed(now, u, atLeast), returns);
      if (op === "ready") retry.ready(now);
    }
  }
});

test("the heart beats as the Python client's does", () => {
  for (const script of vectors.heartbeat) {
    const heartbeat = new Heartbeat(0);
    for (const { op, now, pingDue, isDead } of script) {
      if (op !== "look") heartbeat[op](now);
      assert.deepEqual([heartbeat.pingDue(now), heartbeat.isDead(now)], [pingDue, isDead]);
    }
  }
});

test("audio is kept, sent and sent again as by the Python client", () => {
  for (const [{ seconds, again }, ...script] of vectors.replay) {
    const replay = new Replay(seconds, again);
    for (const { op, n, start, returns, ...state } of script) {
      if (op === "append" || op === "jump") replay.append(frame(start, n, op === "jump"));
      if (op === "take") assert.deepEqual(piece(replay.take(n)), returns);
      if (op === "acknowledge" || op === "rewind" || op === "settle") replay[op](n);
      const { position, end, samples, unsent, dropped } = replay;
      assert.deepEqual({ position, end, samples, unsent, dropped }, state);
    }
  }
});

/** Audio whose samples tell their own index, modulo 2 ** 15. */
function frame(start, count, skipped) {
  const pcm = Int16Array.from({ length: count }, (_, i) => (start + i) % 32768);
  return { source: "mic", start, pcm, capturedMs: start / 16, skipped };
}

function piece(taken) {
  if (taken === null) return null;
  const { start, pcm, capturedMs, skipped } = taken;
  pcm.forEach((sample, i) => assert.equal(sample, (start + i) % 32768));
  return { start, count: pcm.length, first: pcm[0], capturedMs, skipped };
}

function close(actual, expected) {
  if (expected === null) assert.equal(actual, null);
  else assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);
}
