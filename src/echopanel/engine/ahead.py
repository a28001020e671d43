"""Loading a model before anybody asks for it: a program has more to do at its start than that."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from echopanel.asr.provider import Capabilities, Model, ModelSpec, Provider
from echopanel.asr.registry import get_provider


class Ahead:
    """The installed providers, by name. One model is being loaded from the moment on that this is made."""

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        pool = ThreadPoolExecutor(1, "loading")
        self._loading = pool.submit(lambda: get_provider(spec.provider).load(spec))
        pool.shutdown(wait=False)

    def __repr__(self) -> str:
        return f"<Ahead {self._spec.provider}/{self._spec.name}>"

    def __call__(self, name: str) -> Provider:
        """A provider; the first `load` of that model returns the one that was begun, or raises its error.

        Raises:
            ConfigError: no such provider, or its library is missing or broken.
        """
        provider = get_provider(name)
        return _Begun(provider, self._spec, self._loading) if name == self._spec.provider else provider


class _Begun:
    """A provider with a model on its way."""

    def __init__(self, provider: Provider, spec: ModelSpec, loading: Future[Model]) -> None:
        self._provider = provider
        self._begun = {spec: loading}

    def __repr__(self) -> str:
        return f"<{self._provider!r}, {[spec.name for spec in self._begun]} begun>"

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
