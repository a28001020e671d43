/** Which view an address (`location.hash`) names: `{view: "now" | "history" | "session", id, at}`. */
export function readRoute(hash) {
  const [view, id, at] = hash.replace(/^#\/?/, "").split("/");
  if (view === "session" && /^[0-9a-z]{1,64}$/.test(id ?? "")) return { view, id, at: at ? Number(at) || 0 : null };
  return { view: view === "history" ? view : "now", id: null, at: null };
}

/** The address of a session, and of the line in it that was spoken `at` so many seconds. */
export function sessionRoute(id, at = null) {
  return at === null ? `#/session/${id}` : `#/session/${id}/${at.toFixed(1)}`;
}
