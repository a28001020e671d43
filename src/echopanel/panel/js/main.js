import { Access } from "./access.js";
import { Captions, NAMES } from "./captions.js";
import { DeviceError } from "./devices.js";
import { Dock } from "./dock.js";
import { Meeting } from "./meeting.js";
import { SaveMenu } from "./save.js";
import { Setup } from "./setup.js";
import { Standing } from "./standing.js";
import { summarise } from "./status.js";

const TICK_MS = 100;
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

const byId = (id) => document.getElementById(id);
const now = () => performance.now() / 1000;

const access = new Access(sessionStorage, location, history);
const setup = new Setup(byId("setup"), localStorage);
const standing = new Standing(byId);
const dock = new Dock(byId("dock"), press);
const captions = new Captions({
  scroller: byId("captions"),
  list: byId("lines"),
  jump: byId("jump"),
  announcer: byId("announcer"),
});
const save = new SaveMenu(byId("save-menu"), byId("save"), {
  copy: () => meeting.transcript.toText(NAMES),
  fetch: (format) => access.transcript(meeting.client.session.id, format),
  onNote: (text) => standing.note(text, now()),
});
let meeting = null;

/** Shows one of the views setup, live and over. */
function show(view) {
  byId("setup").hidden = view !== "setup";
  byId("captions").hidden = view === "setup";
  byId("dock").hidden = view !== "live";
  byId("over").hidden = view !== "over";
}

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
    onLines: (changes) => captions.apply(changes),
    onTrouble: (text) => standing.note(text, now()),
  });
  byId("start").disabled = true;
  try {
    await begun.start(setup.choice);
  } catch (error) {
    complain(plain(error));
    return;
  } finally {
    byId("start").disabled = false;
  }
  meeting = begun;
  setup.remember();
  setup.listMicrophones();
  show("live");
  captions.follow();
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
    standing.note(plain(error), now());
  }
}

function authorize(event) {
  event.preventDefault();
  access.token = byId("token").value.trim();
  byId("token").value = "";
  meeting.client.authorize(access.token);
}

/** Back to the beginning, for another meeting. */
function again() {
  meeting = null;
  captions.clear();
  show("setup");
  byId("start").focus();
}

function tick() {
  meeting?.client.tick();
  standing.show(meeting?.client ?? null, meeting?.flow ?? null, now());
  save.enable(meeting?.client.session != null);
  dock.show(now());
  if (meeting !== null && !meeting.running && byId("over").hidden) {
    byId("summary").textContent = meeting.coverage ? summarise(meeting.coverage) : "Stopped before everything was text.";
    show("over");
  }
}

function complain(text) {
  byId("notice").textContent = text;
}

/** What people are told of an error; one that nobody foresaw is for the console too. */
function plain(error) {
  if (error instanceof DeviceError) return error.message;
  console.error(error);
  return `Something went wrong: ${error.message}`;
}

byId("privacy").textContent = LOOPBACK.has(location.hostname)
  ? "Nothing leaves this computer."
  : `Sound goes to ${location.host} and nowhere else.`;
byId("setup").addEventListener("submit", start);
byId("token-form").addEventListener("submit", authorize);
byId("token-dialog").addEventListener("cancel", () => meeting.stop());
byId("reconnect").addEventListener("click", () => meeting.client.reconnect());
byId("stop").addEventListener("click", () => meeting.stop());
byId("again").addEventListener("click", again);
addEventListener("beforeunload", (event) => {
  if (meeting?.running) event.preventDefault();
});
setInterval(tick, TICK_MS);
