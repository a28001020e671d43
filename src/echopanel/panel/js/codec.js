/**
 * Protocol v1 as bytes and text: docs/protocol.md, and echopanel.wire of the Python side. No I/O.
 *
 * Messages are plain objects with the wire's own field names; audio is a frame
 * `{source, start, pcm: Int16Array, capturedMs, skipped}`.
 */

export const VERSION = 1;
export const SAMPLE_RATE = 16000;
export const PATH = "/v1/live";
export const SUBPROTOCOL = "echopanel.v1";
export const TOKEN_SUBPROTOCOL = "echopanel.token.";
export const HEADER_BYTES = 20;

const SOURCE_NUMBERS = { mic: 0, system: 1 };
const SKIPPED = 1;

/** Each error: its close code, and whether the same client may succeed later. */
export const ERRORS = Object.freeze({
  malformed: { closeCode: 4400, retryable: false },
  unsupported_version: { closeCode: 4426, retryable: false },
  unexpected_message: { closeCode: 4409, retryable: false },
  invalid_start: { closeCode: 4422, retryable: false },
  unknown_source: { closeCode: 4423, retryable: false },
  message_too_large: { closeCode: 1009, retryable: false },
  rate_exceeded: { closeCode: 4429, retryable: true },
  unauthorized: { closeCode: 4401, retryable: false },
  forbidden_origin: { closeCode: 1008, retryable: false },
  unknown_session: { closeCode: 4404, retryable: false },
  session_taken_over: { closeCode: 4410, retryable: false },
  session_limit: { closeCode: 4503, retryable: true },
  client_limit: { closeCode: 4430, retryable: true },
  overloaded: { closeCode: 1013, retryable: true },
  not_ready: { closeCode: 4425, retryable: true },
  going_away: { closeCode: 1012, retryable: true },
  idle_timeout: { closeCode: 4408, retryable: true },
  slow_client: { closeCode: 4413, retryable: true },
  recogniser_failed: { closeCode: 4500, retryable: true },
  storage_failed: { closeCode: 4507, retryable: true },
  internal: { closeCode: 1011, retryable: true },
});

// The fields that the panel relies on, by type of message; what else comes is passed on unread.
const FIELDS = {
  ready: {
    session: "string", resume_token: "string", resumed: "boolean", sources: "object", limits: "object", model: "string",
  },
  ack: { source: "string", sample: "number", credit: "number" },
  partial: { segment: "string", source: "string", revision: "number", start: "number", stable: "string", tail: "string" },
  final: { event: "number", segment: "string", source: "string", start: "number", text: "string" },
  revision: { event: "number", replaces: "array", segments: "array" },
  gap: { event: "number", source: "string", start_sample: "number", end_sample: "number", status: "string" },
  flow: { level: "number", chunk_interval_s: "number", sources: "object" },
  flushed: { id: "string" },
  watching: { session: "string", last_event: "number" },
  stopped: { session: "string", coverage: "object" },
  pong: { id: "string" },
  error: { code: "string", message: "string" },
};

/** The other side sent what the protocol does not allow. */
export class ProtocolError extends Error {}

/** The socket's data for a frame of audio (an ArrayBuffer) or any other client message (a string). */
export function encode(message) {
  return message.type === "audio" ? encodeFrame(message.frame) : JSON.stringify(message);
}

function encodeFrame({ source, start, pcm, capturedMs, skipped }) {
  const buffer = new ArrayBuffer(HEADER_BYTES + pcm.byteLength);
  const header = new DataView(buffer);
  header.setUint8(0, VERSION);
  header.setUint8(1, SOURCE_NUMBERS[source]);
  header.setUint8(2, skipped ? SKIPPED : 0);
  header.setBigUint64(4, BigInt(start), true);
  header.setFloat64(12, capturedMs, true);
  new Int16Array(buffer, HEADER_BYTES).set(pcm); // every machine with a browser is little-endian
  return buffer;
}

/**
 * The message in a text that the server sent; null for a type that is not known, which is to be ignored.
 *
 * Throws ProtocolError.
 */
export function decode(data) {
  const message = parse(data);
  const fields = Object.hasOwn(FIELDS, message.type) ? FIELDS[message.type] : null;
  if (fields === null) return null;
  for (const [name, type] of Object.entries(fields)) {
    if (typeOf(message[name]) !== type) throw new ProtocolError(`${message.type}.${name} is not of type ${type}`);
  }
  return message;
}

function parse(data) {
  if (typeof data !== "string") throw new ProtocolError("a server sends text only");
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    throw new ProtocolError("the message is not JSON");
  }
  if (typeOf(message) !== "object" || typeof message.type !== "string") throw new ProtocolError("a message has a type");
  return message;
}

function typeOf(value) {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

/** The code of an error that is known only by the close code it ended the socket with, or null. */
export function codeOfClose(closeCode) {
  return Object.keys(ERRORS).find((code) => ERRORS[code].closeCode === closeCode) ?? null;
}

/** What to offer as subprotocols; the token goes in one, since a page cannot set headers of a WebSocket. */
export function subprotocols(token) {
  return token ? [SUBPROTOCOL, TOKEN_SUBPROTOCOL + base64url(token)] : [SUBPROTOCOL];
}

function base64url(text) {
  const bytes = new TextEncoder().encode(text);
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
