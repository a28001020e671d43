"""What a server forgot is taken back, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import Source
from echopanel.client.standing import FORGETTABLE, LOST_BY_SERVER, Standing
from echopanel.transcript import Final, Revision, Segment, Transcript, TranscriptEvent


def segment(number: int) -> Segment:
    """A segment of a second."""
    start = 16_000 * number
    return Segment(f"mic-{number}", Source.MIC, number, number + 1.0, "text", start, start + 16_000)


def test_a_revision_that_was_forgotten_gives_back_what_it_replaced() -> None:
    """And the finals behind it are gone with it."""
    standing = Standing()
    for number in (1, 2):
        standing.take(number, (), (segment(number),))
    standing.take(3, ("mic-1", "mic-2"), (segment(3),))
    standing.take(4, (), (segment(4),))
    assert repr(standing) == "<Standing [2 segments]>"
    assert standing.forget(4) is None
    assert standing.forget(2) == Revision(("mic-3", "mic-4"), (segment(1), segment(2)), LOST_BY_SERVER)
    assert standing.forget(0) == Revision(("mic-1", "mic-2"), (), LOST_BY_SERVER)


def test_old_text_is_not_held_for_ever() -> None:
    """A meeting may last all day."""
    standing = Standing()
    for number in range(2 * FORGETTABLE):
        standing.take(number + 1, (), (segment(number),))
    assert repr(standing) == f"<Standing [{FORGETTABLE} segments]>"
    lost = standing.forget(2 * FORGETTABLE - 2)
    assert lost is not None
    assert lost.replaces == (f"mic-{2 * FORGETTABLE - 2}", f"mic-{2 * FORGETTABLE - 1}")


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(0, 12))
def test_afterwards_the_text_is_what_it_was(widths: list[int], last_event: int) -> None:
    """Each event brings a segment in the place of the `width` newest ones; then some events are lost."""
    standing, events, holding = Standing(), list[TranscriptEvent](), list[str]()
    for number, width in enumerate(widths, 1):
        new = segment(number)
        replaced = tuple(holding[len(holding) - width :]) if width <= len(holding) else ()
        holding = [name for name in holding if name not in replaced] + [new.id]
        standing.take(number, replaced, (new,))
        events.append(Revision(replaced, (new,), "heard_again") if replaced else Final(new))
    lost = standing.forget(last_event)
    healed = events if lost is None else [*events, lost]
    assert Transcript.fold(healed).segments == Transcript.fold(events[:last_event]).segments
