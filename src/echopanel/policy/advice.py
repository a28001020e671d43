"""Which provider and model suit a machine: a table of rules over what is installed and fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from echopanel.equipment import GIGABYTE, Machine, Offer

# A model may take this share of the memory it runs in, together with what recognising takes besides the
# weights: 400 MB is what a whole server with tiny.en holds beyond them with a few sources, measured.
SHARE = 0.8
WORKING_BYTES = 400_000_000
GPU_WORKING_BYTES = 1_500_000_000
# The least that a CUDA device has which says nothing of its memory.
UNKNOWN_VRAM_BYTES = 2 * GIGABYTE
# A meeting has two sources; a model that was measured to carry fewer is not recommended.
MEETING_SOURCES = 2

_LARGE = ("large-v3", "large-v3-turbo", "medium.en", "medium")
_SMALL = ("small.en", "small")
_BASE = ("base.en", "base")
_TINY = ("tiny.en", "tiny")


@dataclass(frozen=True, slots=True)
class Rule:
    """Holds for some machines: `models`, best first, of `provider` on `device`, in chunks of `chunk_s`.

    `install` is the command that installs a provider which does not come with EchoPanel.
    """

    because: str
    holds: Callable[[Machine], bool]
    provider: str
    models: tuple[str, ...]
    chunk_s: float
    device: str = "cpu"
    compute_type: str = "int8"
    install: str = ""


RULES = (
    Rule(
        "a CUDA device",
        lambda machine: bool(machine.cuda),
        "faster-whisper",
        _LARGE + _SMALL + _BASE + _TINY,
        2.0,
        "cuda",
        "float16",
    ),
    Rule(
        "Metal and 8 GB of memory or more",
        lambda machine: machine.metal and machine.ram_bytes >= 8 * GIGABYTE,
        "whisper-cpp",
        ("base", "base.en", *_TINY),
        2.0,
        "gpu",
        install="pip install 'echopanel[whisper-cpp]'",
    ),
    Rule(
        "less than 4 GB of memory",
        lambda machine: machine.ram_bytes < 4 * GIGABYTE,
        "faster-whisper",
        _TINY,
        4.0,
    ),
    Rule(
        "16 GB of memory or more",
        lambda machine: machine.ram_bytes >= 16 * GIGABYTE,
        "faster-whisper",
        _SMALL + _BASE + _TINY,
        4.0,
    ),
    Rule(
        "4 to 16 GB of memory",
        lambda machine: 4 * GIGABYTE <= machine.ram_bytes < 16 * GIGABYTE,
        "faster-whisper",
        _BASE + _TINY,
        4.0,
    ),
)


@dataclass(frozen=True, slots=True)
class Better:
    """What would suit the machine better than what is installed, and the command that installs it."""

    provider: str
    model: str
    get: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An installed model that fits, and why this one; `chunk_s` is how often text should come, in seconds."""

    provider: str
    model: str
    device: str
    compute_type: str
    chunk_s: float
    reason: str
    better: Better | None = None


@dataclass(frozen=True, slots=True)
class Nothing:
    """Why no installed model can be recommended, and what would be."""

    reason: str
    better: Better | None = None


def recommend(
    machine: Machine, offers: Sequence[Offer], carried: Mapping[tuple[str, str], int] | None = None
) -> Recommendation | Nothing:
    """The best installed model for a machine, or why there is none.

    Args:
        machine: what there is to run it.
        offers: models of the usable providers, installed or not.
        carried: live sources that (provider, model) was measured to carry, where that is known.
    """
    measured = carried or {}
    better: Better | None = None
    slow: list[str] = []
    for rule, offer in _candidates(machine, offers):
        if not offer.installed:
            better = better or Better(offer.provider, offer.model, offer.get)
            continue
        sources = measured.get((offer.provider, offer.model))
        if sources is not None and sources < MEETING_SOURCES:
            slow.append(f"{offer.model} was measured to carry {sources} live sources")
            continue
        reason = "; ".join(dict.fromkeys([rule.because, *slow]))
        return Recommendation(
            offer.provider, offer.model, rule.device, rule.compute_type, rule.chunk_s, reason, better
        )
    return Nothing(_why_none(machine, offers, slow), better)


def fits(machine: Machine, offer: Offer, device: str) -> bool:
    """Whether a model finds room in the memory that it runs in."""
    if device == "cuda":
        vram = max((gpu.memory_bytes or UNKNOWN_VRAM_BYTES for gpu in machine.cuda), default=0)
        return offer.memory_bytes + GPU_WORKING_BYTES <= SHARE * vram
    return offer.memory_bytes + WORKING_BYTES <= SHARE * machine.ram_bytes


def _candidates(machine: Machine, offers: Sequence[Offer]) -> Iterator[tuple[Rule, Offer]]:
    """Models that fit, the best first; a provider that no rule names comes last, its smallest model first."""
    for rule in RULES:
        if not rule.holds(machine):
            continue
        named = {offer.model: offer for offer in offers if offer.provider == rule.provider}
        if not named and rule.install:
            yield rule, Offer(rule.provider, rule.models[0], 0, rule.install)
        for model in rule.models:
            if model in named and fits(machine, named[model], rule.device):
                yield rule, named[model]
    other = Rule("nothing that the rules name fits", lambda _: True, "", (), 4.0)
    for offer in sorted(offers, key=lambda one: one.memory_bytes):
        if offer.installed and fits(machine, offer, other.device):
            yield other, offer


def _why_none(machine: Machine, offers: Sequence[Offer], slow: Sequence[str]) -> str:
    installed = [offer for offer in offers if offer.installed]
    if not installed:
        return "no model is installed"
    if slow:
        return "; ".join(dict.fromkeys(slow))
    smallest = min(installed, key=lambda one: one.memory_bytes)
    return (
        f"{smallest.provider} {smallest.model}, the smallest that is installed, does not fit into "
        f"{SHARE:.0%} of {machine.ram_bytes / GIGABYTE:.1f} GB of memory"
    )
