import { Phase } from "./phase.js";
import { quality } from "./quality.js";

const BEHIND_S = 2; // less than this nobody notices
const LAG_S = 3;
const ASKING_S = 1; // somebody who has allowed it before is not asked
const BUSY = new Set(["session_limit", "client_limit", "overloaded"]);

/**
 * How things stand, in plain words: `{tone, text, hint, action}`.
 *
 * `tone` is idle, busy, good, warn or bad; `action` what its user can do: reconnect, token or null. `flow` is the last
 * `flow` message or null, `now` the client's clock.
 */
export function describe(client, flow, now) {
  if (client.stopping && client.phase === Phase.LIVE) return say("busy", "Finishing the last words");
  switch (client.phase) {
    case Phase.CONNECTING:
      return say("busy", client.session === null ? "Connecting" : "Reconnecting");
    case Phase.LIVE:
      return live(client, flow);
    case Phase.WAITING:
      return waiting(client, Math.max(1, Math.ceil(client.at - now)));
    case Phase.LOST:
      return say("bad", "Connection lost", "What was said since is kept here and will be sent.", "reconnect");
    case Phase.DENIED:
      return say("bad", "This server wants a token", "", "token");
    case Phase.REFUSED:
      return say("bad", refusal(client.error), client.error?.message ?? "", "reconnect");
    default:
      return say("idle", "Stopped");
  }
}

function live(client, flow) {
  const lags = Object.values(flow?.sources ?? {}).filter((source) => source.backlog_s > LAG_S);
  const lag = Math.max(0, ...lags.map((source) => source.lag_s ?? 0));
  const behind = Math.max(client.unsentS, lag > LAG_S ? lag : 0);
  const why = flow?.level > 0 ? quality(flow).why : "";
  if (behind > BEHIND_S) return say("warn", `Catching up, ${Math.round(behind)} s behind`, why);
  if (flow?.plan === "going away") return say("warn", "The server is about to stop", "Everything that it has heard is kept.");
  if (why) return say("warn", "Live, at reduced quality", why);
  return say("good", "Live");
}

function waiting({ error, session, stopping }, seconds) {
  if (stopping) return say("warn", `Reconnecting in ${seconds} s`, "Some words are still missing. Stop again to do without.");
  if (error.code === "not_ready") return say("busy", "Warming up", "The server is loading its speech model.");
  if (BUSY.has(error.code)) return say("warn", `Server busy: trying in ${seconds} s`, error.message);
  const kept = session === null ? "" : "Nothing is lost: what is said now is sent afterwards.";
  if (error.code === "going_away") return say("warn", `The server restarts, back in ${seconds} s`, kept);
  return say("warn", `Reconnecting in ${seconds} s`, kept || "The server cannot be reached. Is it running?", "reconnect");
}

function refusal(error) {
  if (error?.code === "session_taken_over") return "Continued in another window";
  if (error?.code === "unsupported_version") return "This page and the server do not match: reload the page";
  return "The server refused";
}


const IDLE = {
  loading: say("busy", "Warming up", "The server is loading its speech model. It takes a moment, once."),
  gone: say("warn", "No server", "The server cannot be reached. Is it running?"),
};

/** How things stand while nothing was started; `server` is ready, loading, gone or unknown. */
export function describeIdle(server) {
  return IDLE[server] ?? say("idle", "Ready");
}

/** How things stand while the browser asks what may be heard, for `seconds` by now. */
export function describeAsking(seconds) {
  return say("busy", "Waiting for your permission", seconds > ASKING_S ? "Your browser is asking, beside its address bar." : "");
}

/** How things stand where a meeting cannot be opened; `refusal` is what the server said. */
export function describeRefusal({ status, message }) {
  if (status === 0) return IDLE.gone;
  if (status === 404) return say("bad", "There is no such meeting", "It was deleted, or its address is not complete.");
  return say("bad", "The meeting cannot be opened", message);
}

/** How things stand for somebody who reads along, likewise; `running` is whether the session goes on. */
export function describeWatching(watcher, running, now) {
  const seconds = Math.max(1, Math.ceil(watcher.at - now));
  switch (watcher.phase) {
    case Phase.CONNECTING:
      return say("busy", running ? "Connecting" : "Opening");
    case Phase.LIVE:
      return running ? say("good", "Reading along") : say("busy", "Opening");
    case Phase.WAITING:
      return say("warn", `Reconnecting in ${seconds} s`, "What is said meanwhile appears afterwards.", "reconnect");
    case Phase.LOST:
      return say("bad", "Connection lost", "", "reconnect");
    case Phase.DENIED:
      return say("bad", "This server wants a token", "", "token");
    case Phase.REFUSED:
      return say("bad", watcher.error.code === "unknown_session" ? "There is no such meeting" : refusal(watcher.error));
    default:
      return describeKept();
  }
}

/** How things stand where a meeting that is over is read. */
export function describeKept() {
  return say("idle", "Saved");
}

function say(tone, text, hint = "", action = null) {
  return { tone, text, hint, action };
}
