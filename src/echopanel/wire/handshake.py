"""The names that both ends of the HTTP handshake use."""

PATH = "/v1/live"
SUBPROTOCOL = "echopanel.v1"
TOKEN_SUBPROTOCOL = "echopanel.token."  # noqa: S105 - what precedes a browser's token in base64url, no secret
