"""Provider `voxtral-realtime`: Voxtral on a server, vLLM's or Mistral's. See `docs/voxtral.md`."""

from __future__ import annotations

from urllib.parse import urlsplit

from echopanel.asr.provider import Capabilities, Model, ModelSpec
from echopanel.asr.voxtral_realtime.model import MAX_SECONDS, RealtimeModel
from echopanel.asr.voxtral_realtime.settings import RealtimeSettings
from echopanel.errors import ModelUnavailable


class VoxtralRealtime:
    """Talks to servers that the user names."""

    @property
    def capabilities(self) -> Capabilities:
        """Streams."""
        return Capabilities(
            max_batch=1,
            max_chunk_seconds=MAX_SECONDS,
            devices=("cpu",),
            streaming=True,
        )

    def size(self, spec: ModelSpec) -> int:
        """Nothing here."""
        return 0

    def load(self, spec: ModelSpec) -> Model:
        """Check the settings; the warm-up will try a server.

        Raises:
            ModelUnavailable: no server is named, or not as one.
        """
        settings = spec.options if isinstance(spec.options, RealtimeSettings) else RealtimeSettings()
        if not settings.urls:
            raise ModelUnavailable(settings.model_name, "no server is named", "set realtime.urls")
        for url in settings.urls:
            if urlsplit(url).scheme not in {"ws", "wss"} or not urlsplit(url).hostname:
                reason = f"{url} is not the address of a WebSocket"
                raise ModelUnavailable(settings.model_name, reason, "write ws://host:port/v1/realtime")
        return RealtimeModel(settings)
