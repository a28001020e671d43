const STORED = "echopanel.token";

/** The server said no, or was not there; `status` is HTTP's, 0 when there was no answer. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The server's token, which this tab keeps, and what is fetched with it. All that fetches throws Refusal. */
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

  /** Whether the server takes sessions now. */
  async ready() {
    const response = await fetch("/health/ready").catch(() => null);
    if (response === null) throw new Refusal(0, "The server cannot be reached. Is it running?");
    return response.ok;
  }

  /** Sessions, newest first; with a query those that match, each with `count` and `hits`. */
  async sessions(query, limit, offset) {
    const asked = new URLSearchParams({ limit, offset, ...(query && { q: query }) });
    const response = await this.#ask(`/v1/sessions?${asked}`);
    return (await response.json()).sessions;
  }

  /** What is known of a session. */
  async session(id) {
    return (await this.#ask(path(id))).json();
  }

  /** Gives a session another title; returns what is known of it then. */
  async rename(id, title) {
    return (await this.#ask(path(id), { method: "PATCH", ...asJson({ title }) })).json();
  }

  /** Deletes a session for good. */
  async remove(id) {
    await this.#ask(path(id), { method: "DELETE" });
  }

  /** The models that are known by name: [{name, megabytes, here}]. */
  async models() {
    return (await (await this.#ask("/v1/models")).json()).models;
  }

  /** Asks for a second pass over a recorded session. */
  async refine(id, model) {
    await this.#ask(`${path(id)}/refine`, { method: "POST", ...asJson({ model }) });
  }

  /** One of a session's texts in one of the server's formats, as a Blob. */
  async transcript(id, format, edition) {
    return (await this.#ask(`${path(id)}/transcript?${new URLSearchParams({ format, edition })}`)).blob();
  }

  /** One of a session's texts, with all that the microphone heard. */
  async edition(id, edition) {
    const asked = new URLSearchParams({ format: "json", bleed: "show", edition });
    return (await this.#ask(`${path(id)}/transcript?${asked}`)).json();
  }

  async #ask(address, options = {}) {
    const headers = { ...options.headers, ...(this.token && { Authorization: `Bearer ${this.token}` }) };
    const response = await fetch(address, { ...options, headers }).catch(() => null);
    if (response === null) throw new Refusal(0, "The server cannot be reached. Is it running?");
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    throw new Refusal(response.status, problem.message ?? `The server answered ${response.status}.`);
  }
}

function asJson(content) {
  return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) };
}

function path(id) {
  return `/v1/sessions/${encodeURIComponent(id)}`;
}
