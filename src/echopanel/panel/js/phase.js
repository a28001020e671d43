/** Where a session stands, as its user sees it. */
export const Phase = Object.freeze({
  CONNECTING: "connecting",
  LIVE: "live",
  WAITING: "waiting", // for the next attempt, at `at`
  LOST: "lost", // gave up; `reconnect` tries again
  DENIED: "denied", // the token is missing or wrong; `authorize` gives another
  REFUSED: "refused", // trying again cannot help
  STOPPED: "stopped",
});
