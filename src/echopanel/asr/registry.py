"""The installed recognisers: entry points of the group `echopanel.providers`, imported on first use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from echopanel.asr.provider import Capabilities, Provider
from echopanel.errors import ConfigError, ProviderError

GROUP = "echopanel.providers"

Providers = Callable[[str], Provider]  # by name; raises ConfigError where there is none


@dataclass(frozen=True, slots=True)
class ProviderInfo:
    """A line of the list of providers; `unavailable` is why it cannot be used, "" if it can."""

    name: str
    package: str
    version: str
    capabilities: Capabilities | None
    unavailable: str


def provider_names() -> list[str]:
    """Names of all installed providers, sorted; nothing is imported."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def get_provider(name: str) -> Provider:
    """Import a provider and make it ready to load models.

    Raises:
        ConfigError: no such provider, or its library is missing or broken.
    """
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        known = ", ".join(provider_names()) or "none is installed"
        raise ConfigError("provider", name, f"no such provider; take one of: {known}")
    provider = _import(found[0])
    if isinstance(provider, str):
        raise ConfigError("provider", name, f"cannot be used: {provider}")
    return provider


def provider_package(name: str) -> str:
    """The package that a provider comes in; "" where there is none or it does not say."""
    dists = [point.dist for point in entry_points(group=GROUP) if point.name == name]
    return dists[0].name if dists and dists[0] else ""


def list_providers() -> list[ProviderInfo]:
    """All installed providers with what they can do, or why they cannot."""
    points = {point.name: point for point in entry_points(group=GROUP)}
    return [_info(points[name]) for name in sorted(points)]


def _info(point: EntryPoint) -> ProviderInfo:
    package, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
    provider = _import(point)
    if isinstance(provider, str):
        return ProviderInfo(point.name, package, version, None, provider)
    return ProviderInfo(point.name, package, version, provider.capabilities, "")


def _import(point: EntryPoint) -> Provider | str:
    """The provider, or in one line why there is none."""
    try:
        provider = point.load()()
    except (ImportError, AttributeError, TypeError, OSError, ProviderError) as exc:
        return f"{type(exc).__name__}: {' '.join(str(exc).split())}"
    return provider if isinstance(provider, Provider) else f"{point.value} is not a provider"
