"""Which model takes the place of another one under load."""

from __future__ import annotations

from collections.abc import Iterable

from echopanel.equipment import Offer

# A model with more than this share of the other's weights would hardly be faster.
AT_MOST = 0.75


def understudy(model: str, memory_bytes: int, offers: Iterable[Offer]) -> Offer | None:
    """The next smaller installed model, if there is one: one that knows as many languages goes first.

    Args:
        model: the name of the bigger one.
        memory_bytes: what its weights take.
        offers: the models of its provider.
    """
    smaller = [one for one in offers if one.installed and one.memory_bytes <= AT_MOST * memory_bytes]
    return max(
        smaller,
        key=lambda one: (english_only(one.model) == english_only(model), one.memory_bytes),
        default=None,
    )


def english_only(model: str) -> bool:
    """Whether a model knows no language but English, as its name says."""
    return model.endswith(".en") or model.startswith("distil-")
