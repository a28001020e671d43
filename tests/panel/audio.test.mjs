import assert from "node:assert/strict";
import { test } from "node:test";
import { panel } from "./shared.mjs";

const { Framer } = await panel("framer.js");
const { Level } = await panel("level.js");
const { Resampler } = await panel("resample.js");

const RATES = [8000, 11025, 22050, 32000, 44100, 48000, 96000];
const SECOND = 16000;

function sine(rate, frequency, seconds = 1) {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) => 0.5 * Math.sin((2 * Math.PI * frequency * i) / rate));
}

/** Through a resampler in pieces of uneven length. */
function resample(rate, samples) {
  const resampler = new Resampler(rate);
  const output = [];
  for (let at = 0, length = 1; at < samples.length; at += length, length = (length * 7) % 1000 + 1) {
    output.push(...resampler.push(samples.subarray(at, at + length)));
  }
  return [...output, ...resampler.flush()];
}

/** Root mean square away from the edges, in dB below that of a full scale sine. */
function level(samples) {
  const inner = samples.slice(1000, -1000);
  return 10 * Math.log10((2 * inner.reduce((sum, x) => sum + x * x, 0)) / inner.length + 1e-20);
}

test("a tone comes out as the same tone, in time and size", () => {
  for (const rate of RATES) {
    for (const frequency of [100, 1000, 3000]) {
      const output = resample(rate, sine(rate, frequency));
      const ideal = sine(SECOND, frequency);
      assert.equal(output.length, ideal.length);
      const error = level(output.map((x, i) => x - ideal[i]));
      assert.ok(error < -70, `${frequency} Hz from ${rate} Hz is off by ${error} dB`);
    }
  }
});

test("speech up to 7 kHz passes, what would fold back does not", () => {
  for (const rate of [44100, 48000, 96000]) {
    const kept = level(resample(rate, sine(rate, 7000))) - level(sine(SECOND, 7000));
    assert.ok(Math.abs(kept) < 0.1, `7 kHz from ${rate} Hz changes by ${kept} dB`);
    for (const frequency of [8100, 9000, 12000, 15900, 20000]) {
      const alias = level(resample(rate, sine(rate, frequency)));
      assert.ok(alias < -75, `${frequency} Hz from ${rate} Hz comes out at ${alias} dB`);
    }
  }
});

test("n samples give n * 16000 / rate, rounded up, however they are cut", () => {
  for (const rate of [...RATES, 16000]) {
    for (const count of [1, 999, 4410, 12345]) {
      assert.equal(resample(rate, new Float32Array(count)).length, Math.ceil((count * 16000) / rate));
    }
  }
});

test("16 kHz passes untouched", () => {
  const samples = sine(SECOND, 1234, 0.1);
  assert.deepEqual(resample(16000, samples), [...samples]);
});

test("frames are 50 ms, numbered without holes, stamped with their capture time", () => {
  const framer = new Framer("system");
  const frames = [];
  for (let block = 0; block < 47; block += 1) {
    frames.push(...framer.push(new Float32Array(1024), 48000, 5000 + (block * 1024) / 48));
  }
  frames.push(...framer.interrupt());
  assert.equal(frames.reduce((sum, frame) => sum + frame.pcm.length, 0), Math.ceil((47 * 1024) / 3));
  frames.forEach((frame, i) => {
    assert.equal(frame.start, i * 800);
    assert.ok(Math.abs(frame.capturedMs - 5000 - i * 50) < 1e-6);
    assert.equal(frame.skipped, false);
    assert.equal(frame.source, "system");
  });
  assert.ok(frames.slice(0, -1).every((frame) => frame.pcm.length === 800));
});

test("what was not captured makes the numbers jump by its length, and says so", () => {
  const framer = new Framer("mic");
  framer.push(new Float32Array(16000), 16000, 1000);
  framer.interrupt();
  const [first, second] = framer.push(new Float32Array(1600), 16000, 4500);
  assert.deepEqual([first.start, first.skipped, first.capturedMs], [56000, true, 4500]);
  assert.deepEqual([second.start, second.skipped, second.capturedMs], [56800, false, 4550]);
});

test("an interruption that took no time leaves no hole, and numbers never go back", () => {
  const framer = new Framer("mic");
  framer.push(new Float32Array(16000), 16000, 1000);
  framer.interrupt();
  const [first] = framer.push(new Float32Array(800), 16000, 1990);
  assert.deepEqual([first.start, first.skipped], [16000, false]);
});

test("samples are rounded, and clipped at full scale", () => {
  const framer = new Framer("mic");
  framer.push(Float32Array.of(0, 0.5, -1, 1, 2, -2, 1 / 32768, 0.4 / 32768), 16000, 1);
  const [frame] = framer.interrupt();
  assert.deepEqual([...frame.pcm], [0, 16384, -32768, 32767, 32767, -32768, 1, 0]);
});

test("a level rises at once, falls slowly and knows for how long it was quiet", () => {
  const meter = new Level(0);
  meter.push(new Int16Array(800).fill(16384), 1);
  assert.ok(meter.shown(1) > 0.85 && meter.shown(1) < 0.95);
  meter.push(new Int16Array(800), 1.5);
  assert.ok(meter.shown(1.5) > 0.5 && meter.shown(1.5) < 0.7);
  assert.equal(meter.shown(5), 0);
  assert.equal(meter.quietFor(12), 11);
  meter.restart(12);
  assert.equal(meter.quietFor(12), 0);
});
