const STORED = "echopanel.token";

/** The server's token, which this tab keeps, and what is fetched with it. */
export class Access {
  #storage;

  /** A token in the address (`#token=...`) is taken over and removed from there, so that nobody reads it off a screen. */
  constructor(storage, location, history) {
    this.#storage = storage;
    const fragment = new URLSearchParams(location.hash.slice(1));
    if (fragment.has("token")) {
      this.token = fragment.get("token");
      history.replaceState(null, "", location.pathname + location.search);
    }
  }

  get token() {
    return this.#storage.getItem(STORED) ?? "";
  }

  set token(token) {
    this.#storage.setItem(STORED, token);
  }

  /** A session's transcript in one of the server's formats, as a Blob. Throws an Error that says what is wrong. */
  async transcript(session, format) {
    const address = `/v1/sessions/${encodeURIComponent(session)}/transcript?format=${format}`;
    const headers = this.token ? { Authorization: `Bearer ${this.token}` } : {};
    const response = await fetch(address, { headers });
    if (response.ok) return response.blob();
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.message ?? `The server answered ${response.status}.`);
  }
}
