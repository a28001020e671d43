"""Which models stand ready beside the first: looked for in what is installed."""

from __future__ import annotations

from dataclasses import replace

from echopanel.asr.provider import ModelSpec
from echopanel.asr.registry import get_provider
from echopanel.asr.stock import Stocked
from echopanel.errors import ModelUnavailable
from echopanel.policy.understudy import understudy


def smaller_spec(first: ModelSpec) -> ModelSpec | None:
    """The next smaller installed model of the same provider; None if it has none. Reads the disk.

    Raises:
        ConfigError: there is no such provider.
    """
    provider = get_provider(first.provider)
    if not isinstance(provider, Stocked):
        return None
    try:
        size = provider.size(first)
    except ModelUnavailable:
        return None  # whoever loads it will say why
    found = understudy(first.name, size, provider.stock())
    return None if found is None else replace(first, name=found.model, path=None)
