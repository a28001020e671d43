"""The models that the installed providers have, or could have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from echopanel.asr.provider import ModelSpec
from echopanel.asr.registry import ProviderInfo, get_provider, list_providers
from echopanel.equipment import Offer
from echopanel.errors import ModelUnavailable


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


def check_installed(spec: ModelSpec) -> None:
    """Make sure that a model can be loaded without fetching it first.

    Raises:
        ModelUnavailable: unknown, or not on this machine, with the command that installs it.
        ConfigError: the provider is not there.
    """
    provider = get_provider(spec.provider)
    if spec.path is not None or not isinstance(provider, Stocked):
        return
    stock = {offer.model: offer for offer in provider.stock()}
    if spec.name not in stock:
        raise ModelUnavailable(spec.name, "no such model", f"take one of {', '.join(stock)}")
    if not stock[spec.name].installed:
        raise ModelUnavailable(spec.name, "not on this machine", f"install it with `{stock[spec.name].get}`")
