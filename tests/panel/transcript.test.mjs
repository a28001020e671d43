import assert from "node:assert/strict";
import { test } from "node:test";
import { panel, vectors } from "./shared.mjs";

const { Transcript, clock } = await panel("transcript.js");
const { Phase } = await panel("phase.js");
const { describePass, isUnderWay, messagesOf, progressOf } = await panel("edition.js");
const { describeGap, quality } = await panel("quality.js");
const { describe, describeIdle, describeRefusal, describeWatching } = await panel("status.js");
const { summarise } = await panel("words.js");

const partial = (revision, stable, tail = "", segment = "mic-1") => ({
  type: "partial", segment, source: "mic", revision, start: 1, stable, tail,
});
const final = (text, segment = "mic-1", start = 1) => ({
  type: "final", event: 1, segment, source: "mic", start, text, start_sample: start * 16000, end_sample: start * 16000 + 16000,
});

/** What a view has that does nothing but obey the changes. */
function follow(transcript, messages) {
  const shown = new Map();
  for (const message of messages) {
    for (const { put, remove } of transcript.apply(message)) {
      if (put) shown.set(put.key, put);
      else assert.ok(shown.delete(remove), `${remove} is taken away but was never shown`);
    }
  }
  return shown;
}

test("events fold to the same transcript as on the Python side, and the changes tell all of it", () => {
  for (const { messages, speech, gaps } of vectors.transcripts) {
    const transcript = new Transcript();
    const shown = follow(transcript, messages);
    assert.deepEqual(new Set(shown.values()), new Set(transcript.lines));
    const lines = transcript.lines;
    const said = lines.filter((line) => line.kind === "speech").map((line) => [line.key.trim(), line.stable]);
    assert.deepEqual(said.sort(), speech);
    const missing = lines.filter((line) => line.kind === "gap");
    const places = missing.map(({ source, start, end, status }) => [source, start * 16000, end * 16000, status]);
    assert.deepEqual(places.sort(byPlace), gaps.sort(byPlace));
  }
});

function byPlace(a, b) {
  return a[0].localeCompare(b[0]) || a[1] - b[1] || a[2] - b[2] || a[3].localeCompare(b[3]);
}

test("what a server lost in a power cut is taken back, and comes again", () => {
  const transcript = new Transcript();
  const numbered = (event, text) => ({ ...final(text, `mic-${event}`, event), event });
  const ready = { type: "ready", session: "a", resumed: false };
  const shown = follow(transcript, [ready, numbered(1, "One."), numbered(2, "Two."), numbered(3, "Three.")]);
  assert.equal(shown.size, 3);
  transcript.apply({ ...ready, resumed: true, last_event: 3 });
  assert.equal(transcript.lines.length, 3);
  transcript.apply({ ...ready, resumed: true, last_event: 1 });
  assert.deepEqual(transcript.lines.map((line) => line.stable), ["One."]);
  transcript.apply({ ...final("Two again.", "mic-2", 2), event: 5000 });
  assert.deepEqual(transcript.lines.map((line) => line.stable), ["One.", "Two again."]);
});

test("own words behind an echo are shown alone while they are spoken", () => {
  const transcript = new Transcript();
  transcript.apply({ ...partial(1, "it was the", "best of times I say no"), bleed_words: 6 });
  const [line] = transcript.lines;
  assert.deepEqual([line.overheard, line.stable, line.tail], ["it was the best of times", "", "I say no"]);
  assert.equal(line.echo, false);
  transcript.apply({ ...partial(2, "it was the", "best"), bleed_words: 9 });
  assert.equal(transcript.lines[0].echo, true);
});

test("an exported text becomes the lines that it was made of", () => {
  const transcript = new Transcript("a");
  const [start_sample, end_sample] = [32000, 48000];
  const said = { source: "mic", start: 3, end: 4, start_sample, end_sample, language: "en" };
  const word = (text, bleed) => ({ text, bleed, start: 3, end: 4, probability: 1 });
  const text = {
    segments: [{ id: "mic-second-1", text: "yes then", words: [word("yes", true), word("then", false)], ...said }],
    gaps: [{ source: "mic", start_sample: 48000, end_sample: 64000, reason: "overload", status: "lost" }],
  };
  for (const message of messagesOf(text)) transcript.apply(message);
  const [line, gap] = transcript.lines;
  assert.deepEqual([line.key, line.stable, line.start, line.final], ["a mic-second-1", "then", 3, true]);
  assert.deepEqual([gap.kind, gap.start, gap.status], ["gap", 4, "lost"]);
  assert.ok(transcript.hasEcho);
});

test("a second pass is told of while it is not done", () => {
  const told = (state) => describePass({ state, model: "base", error: "no disk", heard_s: 25.9, total_s: 60 });
  assert.deepEqual([describePass(null), told("done")], [null, null]);
  assert.match(told("running"), /base: 43 %/);
  assert.deepEqual([null, { heard_s: 30, total_s: 60 }, { heard_s: 1, total_s: 0 }].map(progressOf), [0, 0.5, 0]);
  assert.match(told("failed"), /no disk/);
  assert.deepEqual([isUnderWay({ state: "waiting" }), isUnderWay({ state: "done" }), isUnderWay(null)], [true, false, false]);
});

test("whoever reads along takes back the same, and what was to be recognised later", () => {
  const transcript = new Transcript("a");
  const gap = { type: "gap", source: "mic", status: "lost", start_sample: 48000, end_sample: 64000 };
  transcript.apply({ type: "watching", session: "a", last_event: 0 });
  transcript.apply({ ...final("One.", "mic-1", 1), event: 1 });
  transcript.apply({ ...final("Two.", "mic-2", 2), event: 2 });
  transcript.apply({ ...gap, event: 3 });
  assert.equal(transcript.lines.length, 3);
  transcript.apply({ type: "watching", session: "a", last_event: 1 });
  assert.deepEqual(transcript.lines.map((line) => line.stable), ["One."]);
});

test("what was put off is taken back when it turns out to be silence", () => {
  const transcript = new Transcript("a");
  const gap = { type: "gap", event: 1, source: "mic", status: "pending", start_sample: 48000, end_sample: 64000 };
  transcript.apply(gap);
  assert.deepEqual(transcript.lines.map((line) => line.status), ["pending"]);
  transcript.apply({ ...gap, event: 2, status: "silence" });
  assert.deepEqual(transcript.lines, []);
});

test("a partial grows, its final takes its place, and nothing older comes back", () => {
  const transcript = new Transcript();
  follow(transcript, [partial(1, "it", "was the"), partial(2, "it was", "the")]);
  assert.deepEqual([transcript.lines[0].stable, transcript.lines[0].tail], ["it was", "the"]);
  assert.deepEqual(transcript.apply(partial(1, "it", "was the")), []);
  transcript.apply(final("It was the best."));
  assert.deepEqual(transcript.apply(partial(3, "it was the", "best")), []);
  assert.deepEqual(transcript.lines.map((line) => [line.stable, line.final]), [["It was the best.", true]]);
});

test("a partial without text takes its segment back", () => {
  const transcript = new Transcript();
  const shown = follow(transcript, [partial(1, "", "uh"), partial(2, "", "")]);
  assert.deepEqual([shown.size, transcript.lines.length], [0, 0]);
  assert.deepEqual(transcript.apply(partial(3, "", "", "mic-2")), []);
});

test("the end of a session leaves finished text only", () => {
  const transcript = new Transcript();
  follow(transcript, [final("One."), partial(1, "two", "", "mic-2"), { type: "stopped", session: "s", coverage: {} }]);
  assert.deepEqual(transcript.lines.map((line) => line.stable), ["One."]);
});

test("segments of a session that had to begin anew do not replace those of the first", () => {
  const transcript = new Transcript();
  const ready = (session) => ({ type: "ready", session });
  follow(transcript, [ready("a"), final("One.", "mic-1", 1), ready("b"), final("Two.", "mic-1", 5)]);
  assert.deepEqual(transcript.lines.map((line) => line.stable), ["One.", "Two."]);
});

test("a gap lies where its source's clock says", () => {
  const transcript = new Transcript();
  const late = { ...final("One."), start: 601 };
  const gap = { type: "gap", event: 2, source: "mic", start_sample: 48000, end_sample: 64000, status: "lost", reason: "" };
  follow(transcript, [late, gap]);
  assert.deepEqual([transcript.lines[1].start, transcript.lines[1].seconds], [603, 1]);
});

test("copied text has a line for each finished utterance", () => {
  const transcript = new Transcript();
  follow(transcript, [final("Two.", "mic-2", 3725), final("One."), partial(1, "three", "", "mic-3")]);
  assert.equal(transcript.toText({ mic: "You" }), "[0:01] You: One.\n[1:02:05] You: Two.\n");
});

test("what the microphone heard out of the loudspeakers is told apart and not copied", () => {
  const transcript = new Transcript();
  const words = (...texts) => texts.map((text) => ({ text: text.replace("*", ""), ...(text.startsWith("*") && { bleed: true }) }));
  const mixed = { ...final("yes hello there", "mic-1", 1), words: words("yes", "*hello", "*there") };
  const echo = { ...final("hello there", "mic-2", 5), words: words("*hello", "*there") };
  follow(transcript, [final("fine", "mic-3", 9)]);
  assert.equal(transcript.hasEcho, false);
  follow(transcript, [mixed, echo]);
  assert.equal(transcript.hasEcho, true);
  assert.deepEqual(transcript.lines.map((line) => [line.stable, line.echo]), [["yes", false], ["", true], ["fine", false]]);
  assert.deepEqual(transcript.lines[0].parts.map((part) => part.echo), [false, true, true]);
  assert.equal(transcript.toText({ mic: "You" }), "[0:01] You: yes\n[0:09] You: fine\n");
});

test("times read as people write them", () => {
  assert.deepEqual([0, 59.9, 60, 3599, 3600, 36061].map(clock), ["0:00", "0:59", "1:00", "59:59", "1:00:00", "10:01:01"]);
});

const SOURCE = { backlog_s: 0, lag_s: 0.4 };
const client = (changes) => ({
  phase: Phase.LIVE, session: { id: "s" }, error: null, stopping: false, unsentS: 0, at: 10, ...changes,
});
const flow = (changes = {}, level = 0) => ({ level, reason: "load 0.9", sources: { mic: { ...SOURCE, ...changes } } });

test("every state has its plain words", () => {
  const waiting = (code, changes = {}) => client({ phase: Phase.WAITING, error: { code, message: "why" }, ...changes });
  const cases = [
    [client({ phase: Phase.CONNECTING, session: null }), null, "Connecting"],
    [client({ phase: Phase.CONNECTING }), null, "Reconnecting"],
    [client(), flow(), "Live"],
    [client(), flow({}, 1), "Live, at reduced quality"],
    [client(), { ...flow(), plan: "going away" }, "The server is about to stop"],
    [client({ unsentS: 12.2 }), flow(), "Catching up, 12 s behind"],
    [client(), flow({ backlog_s: 9, lag_s: 6.6 }), "Catching up, 7 s behind"],
    [client(), flow({ backlog_s: 0, lag_s: 6.6 }), "Live"],
    [client({ stopping: true }), flow(), "Finishing the last words"],
    [waiting(null), null, "Reconnecting in 4 s"],
    [waiting("not_ready", { session: null }), null, "Warming up"],
    [waiting("session_limit", { session: null, at: 36 }), null, "Server busy: trying in 30 s"],
    [waiting("going_away"), null, "The server restarts, back in 4 s"],
    [client({ phase: Phase.LOST }), null, "Connection lost"],
    [client({ phase: Phase.DENIED }), null, "This server wants a token"],
    [client({ phase: Phase.REFUSED, error: { code: "session_taken_over" } }), null, "Continued in another window"],
    [client({ phase: Phase.STOPPED }), null, "Stopped"],
  ];
  for (const [state, said, text] of cases) assert.equal(describe(state, said, 6.5).text, text);
});

test("a meeting that cannot be opened is explained", () => {
  const cases = [[404, "There is no such meeting"], [0, "No server"], [500, "The meeting cannot be opened"]];
  for (const [status, text] of cases) assert.equal(describeRefusal({ status, message: "why" }).text, text);
});

test("quality and gaps are told with their reasons", () => {
  assert.match(quality({ level: 2, plan: "smaller model (tiny)" }).why, /quicker model/);
  assert.match(quality({ level: 9, plan: "something new" }).why, /something new/);
  const gap = { status: "pending", seconds: 12.2, reason: "backlog_full" };
  assert.equal(describeGap(gap), "12 s being recognised later: this computer has too much to do");
  assert.equal(describeGap({ ...gap, status: "lost", seconds: 2, reason: "new" }), "2.0 s could not be recognised");
});

test("what its user can do about it is offered", () => {
  assert.equal(describe(client({ phase: Phase.LOST }), null, 0).action, "reconnect");
  assert.equal(describe(client({ phase: Phase.DENIED }), null, 0).action, "token");
  assert.equal(describe(client(), flow(), 0).action, null);
});

test("somebody who reads along is told in plain words, too", () => {
  const watcher = (phase, error = null) => ({ phase, error, at: 10 });
  const cases = [
    [watcher(Phase.CONNECTING), true, "Connecting", null],
    [watcher(Phase.LIVE), true, "Reading along", null],
    [watcher(Phase.LIVE), false, "Opening", null],
    [watcher(Phase.WAITING), true, "Reconnecting in 4 s", "reconnect"],
    [watcher(Phase.LOST), true, "Connection lost", "reconnect"],
    [watcher(Phase.DENIED), true, "This server wants a token", "token"],
    [watcher(Phase.REFUSED, { code: "unknown_session" }), true, "There is no such meeting", null],
    [watcher(Phase.STOPPED), false, "Saved", null],
  ];
  for (const [state, running, text, action] of cases) {
    const said = describeWatching(state, running, 6.5);
    assert.deepEqual([said.text, said.action], [text, action]);
  }
});

test("before anything was started the page says whether the server is there", () => {
  assert.deepEqual(["ready", "unknown", "loading", "gone"].map((server) => describeIdle(server).text),
    ["Ready", "Ready", "Warming up", "No server"]);
});

test("the ledger is summed up in a sentence", () => {
  const ledger = (lost, pending = 0) => ({ captured: 160000, lost, pending });
  assert.match(summarise({ mic: ledger(0), system: ledger(0) }), /Everything/);
  assert.match(summarise({ mic: ledger(16000), system: ledger(8000) }), /^1\.5 s could not/);
  assert.match(summarise({ mic: ledger(0, 192000) }), /^12 s not recognised yet/);
});
