"""Loading a model before anybody asks for it: a program has more to do at its start than that."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from echopanel.asr.provider import Capabilities, Model, ModelSpec, Provider
from echopanel.asr.registry import get_provider


class Ahead:
    """The installed providers, by name. One model is being loaded from the moment on that this is made."""

    def __init__(self, spec: ModelSpec) -> None:
        pool = ThreadPoolExecutor(1, "loading")
        # Not kept once it was asked for: who unloads a model wants its memory back.
        self._begun = {spec: pool.submit(lambda: get_provider(spec.provider).load(spec))}
        pool.shutdown(wait=False)

    def __repr__(self) -> str:
        return f"<Ahead {[f'{spec.provider}/{spec.name}' for spec in self._begun]}>"

    def __call__(self, name: str) -> Provider:
        """A provider; the first `load` of that model returns the one that was begun, or raises its error.

        Raises:
            ConfigError: no such provider, or its library is missing or broken.
        """
        return _Begun(get_provider(name), self._begun)

    def close(self) -> None:
        """Let go of a model that nobody asked for, as soon as it is there."""
        while self._begun:
            _, loading = self._begun.popitem()
            loading.add_done_callback(_discard)


def _discard(loading: Future[Model]) -> None:
    if loading.exception() is None:
        loading.result().close()


class _Begun:
    """A provider, one of whose models may be on its way."""

    def __init__(self, provider: Provider, begun: dict[ModelSpec, Future[Model]]) -> None:
        self._provider = provider
        self._begun = begun

    def __repr__(self) -> str:
        return f"<_Begun {self._provider!r}>"

    @property
    def capabilities(self) -> Capabilities:
        """Those of the provider."""
        return self._provider.capabilities

    def size(self, spec: ModelSpec) -> int:
        """What the provider says."""
        return self._provider.size(spec)

    def load(self, spec: ModelSpec) -> Model:
        """Wait for the model that was begun; later, and for others, load as ever."""
        loading = self._begun.pop(spec, None)
        return self._provider.load(spec) if loading is None else loading.result()
