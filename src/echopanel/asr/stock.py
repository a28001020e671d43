"""The models that the installed providers have, or could have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from echopanel.asr.registry import ProviderInfo, get_provider, list_providers
from echopanel.equipment import Offer


@runtime_checkable
class Stocked(Protocol):
    """A provider that knows its models by name. One that does not is used only where it is asked for."""

    def stock(self) -> Sequence[Offer]:
        """Its models, installed or not, without fetching or loading any."""
        ...


def offers(providers: Sequence[ProviderInfo] | None = None) -> list[Offer]:
    """The models of all usable providers.

    Args:
        providers: what `list_providers` said, if that was asked already.
    """
    usable = [one.name for one in (providers or list_providers()) if not one.unavailable]
    stocked = [(name, get_provider(name)) for name in usable]
    return [offer for _, provider in stocked if isinstance(provider, Stocked) for offer in provider.stock()]
