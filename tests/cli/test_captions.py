"""How events of a meeting are shown."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from echopanel.audio import Source
from echopanel.capture.devices import DeviceState, DeviceStatus
from echopanel.cli.captions import Captions, Levels, display, spoken, trouble
from echopanel.client.events import Event, LinkState, LinkStatus
from echopanel.errors import ErrorCode
from echopanel.transcript import Coverage, Final, Gap, GapStatus, Partial, Revision, Segment, Word
from echopanel.wire.messages import Error, Flow, SourceFlow

LABELS = {Source.MIC: "You", Source.SYSTEM: "Others"}
MINE = Segment("m1", Source.MIC, 61.0, 63.0, "Good morning.", 0, 1)
GAP = Gap(Source.SYSTEM, 16_000, 40_000, "overload", GapStatus.PENDING)


def partial(stable: str, tail: str, source: Source = Source.MIC, segment: str = "m1") -> Partial:
    """An utterance that is still going on."""
    return Partial(segment, source, 1, 61.0, stable, tail)


def flow(level: int = 0, reason: str = "", lag: float | None = 0.5) -> Flow:
    """The server's state."""
    source = SourceFlow(0.0, 0, 100, 0.0, lag, 0, Coverage())
    return Flow(level, "plan", reason, 0.42, 0.1, 0.1, 0.1, 0.5, 0, {Source.MIC: source})


@pytest.fixture
def screen() -> tuple[Captions, io.StringIO]:
    """Captions, and what scrolls by above them."""
    printed = io.StringIO()
    return Captions(Console(file=printed, width=100), LABELS), printed


def test_stable_words_are_solid_and_the_rest_is_dim(screen: tuple[Captions, io.StringIO]) -> None:
    """What may still change looks different; nothing of it scrolls by yet."""
    captions, printed = screen
    captions.show(partial("Good", "morn"))
    captions.show(partial("", "hm", Source.SYSTEM, "s1"))
    shown = captions.__rich__()
    assert shown.plain == "[00:01:01] You: Good morn\n[00:01:01] Others:  hm\n"
    assert [shown.plain[span.start : span.end].strip() for span in shown.spans] == ["morn", "hm"]
    assert {span.style for span in shown.spans} == {"dim"}
    assert printed.getvalue() == ""


def test_an_echo_does_not_flash_by(screen: tuple[Captions, io.StringIO]) -> None:
    """What the microphone overhears is not shown before it is final either, unless asked for."""
    captions, printed = screen
    everything = Captions(Console(file=printed), LABELS, show_bleed=True)
    for one in (captions, everything):
        one.show(replace(partial("Good", "morning"), bleed=True))
    assert captions.__rich__().plain == ""
    assert everything.__rich__().plain == "[00:01:01] You: Good morning\n"
    captions.show(replace(partial("Good", "morning to you"), bleed_words=2))
    assert captions.__rich__().plain == "[00:01:01] You:  to you\n"


def test_words_that_are_taken_back_leave_no_empty_line(screen: tuple[Captions, io.StringIO]) -> None:
    """Also where everything is shown."""
    captions, printed = screen
    everything = Captions(Console(file=printed), LABELS, show_bleed=True)
    for one in (captions, everything):
        one.show(partial("", "hm"))
        one.show(partial("", ""))
        assert one.__rich__().plain == ""


def test_a_final_takes_the_place_of_its_partial(screen: tuple[Captions, io.StringIO]) -> None:
    """The line scrolls by once; an utterance that began meanwhile stays."""
    captions, printed = screen
    captions.show(partial("Good", "morning"))
    captions.show(partial("And", "", segment="m2"))
    captions.show(Final(MINE))
    assert printed.getvalue() == "[00:01:01] You: Good morning.\n"
    assert captions.__rich__().plain == "[00:01:01] You: And\n"
    captions.show(Final(Segment("m2", Source.MIC, 61.0, 62.0, "And [bold]so[/bold] on.", 1, 2)))
    assert captions.__rich__().plain == ""
    assert "And [bold]so[/bold] on." in printed.getvalue()


def test_the_state_of_the_server_stands_below(screen: tuple[Captions, io.StringIO]) -> None:
    """Load and lag always, the level with its reason where quality is reduced."""
    captions, _ = screen
    captions.show(flow())
    assert captions.__rich__().plain == "load 0.42, 0.5 s behind"
    captions.show(flow(2, "load above 1", None))
    assert captions.__rich__().plain == "load 0.42, level 2: load above 1"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (GAP, "1.5 s of system are pending: overload"),
        (replace(GAP, status=GapStatus.SILENCE), "1.5 s of system that were pending are silence"),
        (
            Error(ErrorCode.STORAGE_FAILED, "the disk is full", fatal=False),
            "storage_failed: the disk is full",
        ),
        (
            LinkStatus(LinkState.WAITING, "the network connection broke", 4.2, 12.3),
            "the network connection broke; trying again in 4 s, 12.3 s of audio kept",
        ),
        (
            LinkStatus(LinkState.CATCHING_UP, "resumed", buffered_s=3.0),
            "connected: resumed, 3.0 s of audio kept",
        ),
        (LinkStatus(LinkState.LIVE, "resumed"), "connected: resumed"),
        (LinkStatus(LinkState.LOST, "nobody answers"), "connection lost: nobody answers"),
        (LinkStatus(LinkState.LIVE), ""),
        (Final(MINE), ""),
    ],
)
def test_trouble_is_told_in_one_line(
    screen: tuple[Captions, io.StringIO], capsys: pytest.CaptureFixture[str], event: Event, line: str
) -> None:
    """On a terminal between the captions, else on stderr; what is no trouble is not mentioned."""
    assert trouble(event) == line
    captions, printed = screen
    captions.show(event)
    assert line in printed.getvalue()
    with display([Source.MIC], as_json=False) as show:
        show(event)
    assert capsys.readouterr().err == (f"{line}\n" if line else "")


def test_text_is_labelled_where_there_are_two_sources() -> None:
    """Alone, a source needs no name; a correction says that it is one."""
    assert spoken(Final(MINE), {}) == ["[00:01:01] Good morning."]
    assert spoken(Revision(("m1",), (MINE,), "better model"), LABELS) == [
        "[00:01:01] You: Good morning. (corrected)"
    ]
    assert spoken(partial("a", "b"), LABELS) == []


def test_nothing_that_was_recognised_can_steer_the_terminal() -> None:
    """Control characters are shown as what they are: unprintable."""
    evil = Segment("m1", Source.MIC, 0.0, 1.0, "a\x1b]0;title\x07b", 0, 1)
    assert spoken(Final(evil), {}) == ["[00:00:00] a�]0;title�b"]


def test_bleed_is_hidden_unless_asked_for(screen: tuple[Captions, io.StringIO]) -> None:
    """What the microphone heard out of the loudspeakers is in the other source already."""
    words = (Word(61.0, 62.0, "Theirs.", bleed=True), Word(63.0, 64.0, "Mine."))
    mixed = Segment("m", Source.MIC, 61.0, 64.0, "Theirs. Mine.", 0, 1, words)
    bled = Segment("n", Source.MIC, 65.0, 66.0, "Theirs.", 1, 2, words[:1])
    captions, printed = screen
    for one in (mixed, bled):
        captions.show(Final(one))
    assert printed.getvalue() == "[00:01:03] You: Mine.\n"
    lines = [line for one in (mixed, bled) for line in spoken(Final(one), LABELS, show_bleed=True)]
    assert lines == ["[00:01:01] You: Theirs. Mine.", "[00:01:05] You: Theirs."]


def test_devices_and_the_state_of_the_link_are_told(screen: tuple[Captions, io.StringIO]) -> None:
    """A device that goes has a line; the state stands below, with what else is asked for."""
    captions, printed = screen
    captions.show(DeviceStatus(Source.MIC, "Headset", DeviceState.RECORDING))
    captions.show(DeviceStatus(Source.MIC, "Headset", DeviceState.GONE))
    assert printed.getvalue().splitlines() == [
        "mic: recording Headset",
        "mic: Headset is gone; recording goes on when it is back",
    ]
    captions = Captions(Console(file=printed, width=100), LABELS, lambda: "mic ▃")
    captions.show(LinkStatus(LinkState.LIVE))
    captions.show(flow())
    assert captions.__rich__().plain == "live   mic ▃   load 0.42, 0.5 s behind"


def test_a_change_of_quality_is_told_once(screen: tuple[Captions, io.StringIO]) -> None:
    """With its reason, in lines and between captions; that it goes on is not."""
    levels = Levels()
    told = [levels.note(one) for one in (flow(), flow(2, "load 1.10"), flow(2, "load 1.10"), flow())]
    assert told == ["", "quality: level 2, plan (load 1.10)", "", "quality: level 0, plan"]
    assert levels.note(partial("Good", "morn")) == ""
    captions, printed = screen
    for _ in range(3):
        captions.show(flow(1, "load 0.90"))
    assert printed.getvalue() == "quality: level 1, plan (load 0.90)\n"
