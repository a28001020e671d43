import { Access } from "./access.js";
import { Awake } from "./awake.js";
import { Captions, NAMES } from "./captions.js";
import { DeviceError } from "./devices.js";
import { Dock } from "./dock.js";
import { History } from "./history.js";
import { MarkedMenu } from "./marked.js";
import { Marks } from "./marks.js";
import { Meeting } from "./meeting.js";
import { Phase } from "./phase.js";
import { Reading } from "./reading.js";
import { readRoute, sessionRoute } from "./route.js";
import { SaveMenu } from "./save.js";
import { Setup } from "./setup.js";
import { Standing } from "./standing.js";
import { describe, describeAsking, describeIdle, describeKept, describeRefusal, describeWatching } from "./status.js";
import { TokenDialog } from "./token.js";
import { Vitals } from "./vitals.js";
import { summarise } from "./words.js";

const TICK_MS = 100;
const READY_AGAIN_MS = 1000;
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

const byId = (id) => document.getElementById(id);
const now = () => performance.now() / 1000;

const access = new Access(sessionStorage, location, window.history);
const marks = new Marks(localStorage);
const setup = new Setup(byId("setup"), localStorage);
const standing = new Standing(byId);
const awake = new Awake();
const dock = new Dock(byId("dock"), press);
const vitals = new Vitals(byId("vitals"), byId("vitals-panel"));
const captions = new Captions({
  scroller: byId("captions"), list: byId("lines"), jump: byId("jump"), announcer: byId("announcer"), marks,
});
const past = new History({ page: byId, access, onError: refused });
const reading = new Reading({
  page: byId, access, marks, now, onGone: () => { location.hash = "#/history"; }, onNote: note, onError: refused,
});
const isMarked = (line) => marks.has(line.key);
const marked = new MarkedMenu(byId("marked-menu"), byId("marked"), {
  lines: () => shown().transcript.lines.filter(isMarked),
  onChoose: ({ start }) => (route.view === "session" ? reading : captions).seek(start),
});
const save = new SaveMenu(byId("save-menu"), byId("save"), {
  copy: (what) => shown().transcript.toText(NAMES, what === "marked" ? isMarked : undefined),
  fetch: (format) => access.transcript(shown().id, format, shown().edition),
  name: () => shown().title,
  onNote: note,
});
const token = new TokenDialog(byId("token-dialog"), authorize);
let meeting = null;
let asking = null; // since when the browser asks what may be heard
let server = "unknown"; // ready, loading or gone, as far as is known
let route = readRoute(location.hash);

// --- views --------------------------------------------------------------------------------------

/** Goes where the address says. */
async function go() {
  route = readRoute(location.hash);
  if (route.view !== "session") reading.close();
  if (route.view !== "history") past.close();
  arrange();
  if (route.view === "history") await past.open();
  if (route.view === "session") await reading.open(route.id, route.at).catch(refused);
}

/** Shows the parts of the view; a meeting that runs keeps its controls in every view. */
function arrange() {
  const { view } = route;
  const running = meeting?.running ?? false;
  byId("setup").hidden = view !== "now" || meeting !== null;
  byId("captions").hidden = view !== "now" || meeting === null;
  byId("history").hidden = view !== "history";
  byId("reading").hidden = view !== "session";
  byId("listening").hidden = !running;
  byId("unsaid").hidden = running;
  byId("dock").hidden = !running;
  byId("over").hidden = view !== "now" || meeting === null || running;
  byId("jump").classList.toggle("elsewhere", view !== "now");
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === (view === "session" ? "history" : view)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** The transcript that is in view: {id, transcript, edition, title}, or null. */
function shown() {
  if (route.view === "session" && reading.id !== null) return reading;
  const session = meeting?.client.session;
  if (route.view !== "now" || !session) return null;
  return { id: session.id, transcript: meeting.transcript, edition: "live", title: "Captions" };
}

// --- the meeting --------------------------------------------------------------------------------

async function start(event) {
  event.preventDefault();
  complain(setup.complaint);
  if (setup.complaint) return;
  const begun = new Meeting({
    url: location.href,
    token: access.token,
    now,
    onFrame: (frame) => dock.hear(frame, now()),
    onSource: (source, state) => dock.set(source, state, now()),
    onMessage: read,
    onLines: (changes) => captions.apply(changes),
    onTrouble: note,
  });
  byId("start").disabled = true;
  asking = now();
  try {
    await begun.start(setup.choice);
  } catch (error) {
    complain(plain(error));
    return;
  } finally {
    asking = null;
    byId("start").disabled = false;
  }
  meeting = begun;
  vitals.clear();
  setup.remember();
  setup.listMicrophones();
  arrange();
  captions.follow();
}

/** A message of the server. */
function read(message) {
  if (message.type === "flow") vitals.add(message, meeting.client.session.model);
  if (message.type === "revision") {
    const [first] = meeting.transcript.keysOf(message.segments.map((segment) => segment.segment));
    if (first) marks.move(meeting.transcript.keysOf(message.replaces), first);
  }
}

/** A button of a source was pressed. */
async function press(source, action) {
  if (action !== "add") {
    meeting.mute(source, action === "mute");
    return;
  }
  try {
    await meeting.add(source, source === "mic" ? (setup.choice.mic ?? "") : "display");
  } catch (error) {
    note(plain(error));
  }
}

/** Back to the beginning, for another meeting. */
function again() {
  meeting = null;
  captions.clear();
  arrange();
  byId("start").focus();
}

function ended() {
  byId("summary").textContent = meeting.coverage ? summarise(meeting.coverage) : "Stopped before everything was text.";
  byId("open-kept").hidden = meeting.client.session === null;
  if (meeting.client.session !== null) byId("open-kept").href = sessionRoute(meeting.client.session.id);
  vitals.clear();
  arrange();
}

// --- how things stand ---------------------------------------------------------------------------

function tick() {
  meeting?.client.tick();
  reading.watcher?.tick();
  const state = standingNow();
  standing.show(state, now());
  if (state.action === "token") askForToken();
  save.enable(shown() !== null);
  marked.enable(shown() !== null);
  byId("echo").hidden = !shown()?.transcript.hasEcho;
  dock.show(now());
  awake.want(meeting?.running ?? false);
  if (meeting !== null && !meeting.running && !byId("dock").hidden) ended();
}

function standingNow() {
  if (route.view === "session" && reading.refusal !== null) return describeRefusal(reading.refusal);
  if (route.view === "session" && reading.watcher !== null) {
    return describeWatching(reading.watcher, reading.running, now());
  }
  if (route.view === "session" && reading.id !== null) return describeKept();
  if (asking !== null) return describeAsking(now() - asking);
  return meeting === null ? describeIdle(server) : describe(meeting.client, meeting.flow, now());
}

/** Looks whether the server is there and has its model, until it has. */
async function lookForServer() {
  server = await access.ready().then((ready) => (ready ? "ready" : "loading"), () => "gone");
  if (server !== "ready") setTimeout(lookForServer, READY_AGAIN_MS);
}

function reconnect() {
  if (route.view === "session" && reading.watcher !== null) reading.watcher.reconnect();
  else meeting?.client.reconnect();
}

function askForToken(onGiven) {
  token.ask(Boolean(access.token), { onGiven, onCancel: withoutToken });
}

function withoutToken() {
  if (meeting?.client.phase === Phase.DENIED) meeting.stop();
  if (route.view !== "now") location.hash = "#/";
}

function authorize(given) {
  access.token = given;
  if (meeting?.client.phase === Phase.DENIED) meeting.client.authorize(given);
  if (reading.watcher?.phase === Phase.DENIED) reading.watcher.authorize(given);
}

/** The server refused something that was asked for in the history. */
function refused(error) {
  if (error.status === 401) askForToken(go);
  else if (error !== reading.refusal) note(plain(error));
}

function note(text) {
  standing.note(text, now());
}

function complain(text) {
  byId("notice").textContent = text;
}

/** What people are told of an error; one that nobody foresaw is for the console too. */
function plain(error) {
  if (error instanceof DeviceError || error.status !== undefined) return error.message;
  console.error(error);
  return `Something went wrong: ${error.message}`;
}

function toggleEcho() {
  const on = byId("views").classList.toggle("with-echo");
  byId("echo").setAttribute("aria-pressed", String(on));
}

byId("privacy").textContent = LOOPBACK.has(location.hostname)
  ? "Nothing leaves this computer."
  : `Sound goes to ${location.host} and nowhere else.`;
byId("setup").addEventListener("submit", start);
byId("reconnect").addEventListener("click", reconnect);
byId("stop").addEventListener("click", () => meeting.stop());
byId("again").addEventListener("click", again);
byId("echo").addEventListener("click", toggleEcho);
addEventListener("hashchange", go);
addEventListener("online", () => meeting?.wake());
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && meeting?.wake());
addEventListener("beforeunload", (event) => {
  if (meeting?.running) event.preventDefault();
});
setInterval(tick, TICK_MS);
lookForServer();
go();
