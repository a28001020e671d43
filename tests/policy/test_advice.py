"""What is recommended for which machine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.equipment import GIGABYTE, Gpu, Machine, Offer
from echopanel.policy.advice import RULES, Better, Nothing, Recommendation, fits, recommend

MEGABYTE = 1_000_000
SIZES = {
    "tiny.en": 78,
    "tiny": 78,
    "base.en": 148,
    "base": 148,
    "small.en": 486,
    "small": 486,
    "medium.en": 1_530,
    "large-v3-turbo": 1_620,
    "large-v3": 3_090,
}
PLAIN = Machine("Linux", "x86_64", "made up", 4, 8 * GIGABYTE)
MAC = replace(PLAIN, system="Darwin", architecture="arm64", metal=True)


def stock(*installed: str, provider: str = "faster-whisper") -> list[Offer]:
    """All models of a provider, of which some are installed."""
    return [
        Offer(provider, name, size * MEGABYTE, "" if name in installed else f"pull {name}")
        for name, size in SIZES.items()
    ]


def with_ram(gigabytes: float) -> Machine:
    """A machine without anything special."""
    return replace(PLAIN, ram_bytes=round(gigabytes * GIGABYTE))


def with_vram(gigabytes: float) -> Machine:
    """A machine with one CUDA device."""
    return replace(PLAIN, cuda=(Gpu("made up", round(gigabytes * GIGABYTE)),))


@pytest.mark.parametrize(
    ("machine", "provider", "model", "chunk_s", "device", "compute_type"),
    [
        (with_ram(2), "faster-whisper", "tiny.en", 4.0, "cpu", "int8"),
        (with_ram(3.9), "faster-whisper", "tiny.en", 4.0, "cpu", "int8"),
        (with_ram(4), "faster-whisper", "base.en", 4.0, "cpu", "int8"),
        (with_ram(15.9), "faster-whisper", "base.en", 4.0, "cpu", "int8"),
        (with_ram(16), "faster-whisper", "small.en", 4.0, "cpu", "int8"),
        (with_ram(64), "faster-whisper", "small.en", 4.0, "cpu", "int8"),
        (MAC, "whisper-cpp", "base", 2.0, "gpu", "int8"),
        (replace(MAC, ram_bytes=32 * GIGABYTE), "whisper-cpp", "base", 2.0, "gpu", "int8"),
        (replace(MAC, ram_bytes=6 * GIGABYTE), "faster-whisper", "base.en", 4.0, "cpu", "int8"),
        (with_vram(24), "faster-whisper", "large-v3", 2.0, "cuda", "float16"),
        (with_vram(4), "faster-whisper", "large-v3-turbo", 2.0, "cuda", "float16"),
        (with_vram(2.5), "faster-whisper", "small.en", 2.0, "cuda", "float16"),
        (with_vram(0.5), "faster-whisper", "base.en", 4.0, "cpu", "int8"),
    ],
)
def test_the_table_of_rules(
    machine: Machine, provider: str, model: str, chunk_s: float, device: str, compute_type: str
) -> None:
    """With everything installed, each machine gets what its rule names first."""
    advice = recommend(machine, stock(*SIZES) + stock(*SIZES, provider="whisper-cpp"))
    assert isinstance(advice, Recommendation)
    assert (advice.provider, advice.model, advice.chunk_s) == (provider, model, chunk_s)
    assert (advice.device, advice.compute_type, advice.better) == (device, compute_type, None)


def test_what_is_not_installed_is_told_with_its_command() -> None:
    """The best that is installed is recommended meanwhile."""
    advice = recommend(with_ram(16), stock("tiny.en", "base"))
    assert isinstance(advice, Recommendation)
    assert advice.model == "base"
    assert advice.better == Better("faster-whisper", "small.en", "pull small.en")


def test_a_provider_that_is_not_installed_is_told_too() -> None:
    """A Mac does better with whisper-cpp."""
    advice = recommend(MAC, stock("base.en"))
    assert isinstance(advice, Recommendation)
    assert (advice.provider, advice.model) == ("faster-whisper", "base.en")
    assert advice.better == Better("whisper-cpp", "base", "pip install 'echopanel[whisper-cpp]'")


def test_a_model_measured_too_slow_for_a_meeting_is_passed_over() -> None:
    """A meeting has two sources; the reason says what was measured."""
    carried = {("faster-whisper", "small.en"): 1, ("faster-whisper", "base.en"): 2}
    advice = recommend(with_ram(32), stock("small.en", "base.en"), carried)
    assert isinstance(advice, Recommendation)
    assert advice.model == "base.en"
    assert "small.en was measured to carry 1 live sources" in advice.reason


def test_without_any_model_there_is_a_reason_and_a_command() -> None:
    """An answer all the same."""
    advice = recommend(PLAIN, stock())
    assert advice == Nothing("no model is installed", Better("faster-whisper", "base.en", "pull base.en"))


def test_what_is_too_large_or_too_slow_is_said() -> None:
    """With the sizes, or the figures."""
    small = recommend(with_ram(0.5), stock("tiny.en"))
    assert isinstance(small, Nothing)
    assert "faster-whisper tiny.en, the smallest that is installed, does not fit into 80%" in small.reason
    slow = recommend(PLAIN, stock("tiny.en"), {("faster-whisper", "tiny.en"): 0})
    assert slow == Nothing("tiny.en was measured to carry 0 live sources", slow.better)


def test_a_strangers_model_is_better_than_none() -> None:
    """No rule knows its provider."""
    advice = recommend(PLAIN, [Offer("stranger", "own", 10 * MEGABYTE)])
    assert isinstance(advice, Recommendation)
    assert (advice.provider, advice.model) == ("stranger", "own")


def test_a_device_that_says_nothing_of_its_memory_is_taken_as_small() -> None:
    """2 GB, which every one has."""
    assert fits(with_vram(0), Offer("p", "m", 78 * MEGABYTE), "cuda")
    assert not fits(with_vram(0), Offer("p", "m", 200 * MEGABYTE), "cuda")


machines = st.builds(
    Machine,
    system=st.sampled_from(["Linux", "Darwin"]),
    architecture=st.sampled_from(["x86_64", "arm64"]),
    processor=st.just("made up"),
    cores=st.integers(1, 256),
    ram_bytes=st.integers(0, 1 << 40),
    instructions=st.lists(st.sampled_from(["AVX2", "NEON"]), unique=True).map(tuple),
    cuda=st.lists(st.builds(Gpu, st.just("gpu"), st.integers(0, 80 << 30)), max_size=3).map(tuple),
    metal=st.booleans(),
)
offers = st.lists(
    st.builds(
        Offer,
        provider=st.sampled_from(["faster-whisper", "whisper-cpp", "stranger"]),
        model=st.sampled_from([*SIZES, "own"]),
        memory_bytes=st.integers(0, 8 << 30),
        get=st.sampled_from(["", "pull it"]),
    ),
    unique_by=lambda one: (one.provider, one.model),
)
carried = st.dictionaries(
    st.tuples(st.sampled_from(["faster-whisper", "whisper-cpp"]), st.sampled_from([*SIZES])),
    st.integers(0, 100),
)


@given(machines, offers, carried)
def test_advice_can_always_be_followed(
    machine: Machine, found: list[Offer], measured: dict[tuple[str, str], int]
) -> None:
    """What is recommended is installed, fits and was not measured too slow; else there is a reason."""
    advice = recommend(machine, found, measured)
    if isinstance(advice, Nothing):
        assert advice.reason
    else:
        (offer,) = (one for one in found if (one.provider, one.model) == (advice.provider, advice.model))
        assert offer.installed
        assert fits(machine, offer, advice.device)
        assert measured.get((offer.provider, offer.model), 2) >= 2
        assert advice.reason
    if advice.better is not None:
        assert advice.better.get
        named = [
            one for one in found if (one.provider, one.model) == (advice.better.provider, advice.better.model)
        ]
        assert not any(one.installed for one in named)


@given(machines, offers)
def test_nothing_means_that_nothing_can_be_used(machine: Machine, found: list[Offer]) -> None:
    """Whoever has an installed model that fits the memory gets a recommendation."""
    usable = [one for one in found if one.installed and fits(machine, one, "cpu")]
    assert isinstance(recommend(machine, found), Recommendation) or not usable


@given(machines)
def test_every_machine_has_a_rule(machine: Machine) -> None:
    """The table leaves none out."""
    assert any(rule.holds(machine) for rule in RULES)
