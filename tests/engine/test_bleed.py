"""Finals of the microphone wait for what the loudspeakers say, where that matters."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from echopanel.audio import Source
from echopanel.engine.bleed import BleedMarker
from echopanel.engine.events import Event
from echopanel.transcript import Final, Partial, Revision, Segment, Word

LINE = "we should ship the new version"


@dataclass(slots=True)
class Stage:
    """A marker, what it published, and how far the text of the loudspeakers is known."""

    known: float = 0.0
    published: list[Event] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def marker(self) -> BleedMarker:
        return BleedMarker(self.publish, lambda: self.known)

    def publish(self, event: Event) -> None:
        self.published.append(event)
        self.arrived.set()

    def shown(self) -> list[str]:
        """Finals without what was marked."""
        finals = [event.segment.without_bleed() for event in self.published if isinstance(event, Final)]
        return ["" if segment is None else f"{segment.source}: {segment.text}" for segment in finals]


def final(source: Source, text: str, at: float) -> Final:
    """A final whose words begin at `at`."""
    words = tuple(Word(at + 0.4 * i, at + 0.4 * i + 0.3, word) for i, word in enumerate(text.split()))
    return Final(Segment(f"{source}-{at}", source, at, words[-1].end, text, 0, 16_000, words))


def partial(text: str) -> Partial:
    """What the loudspeakers are saying."""
    return Partial(f"{Source.SYSTEM}-1.0", Source.SYSTEM, 1, 1.0, text, "")


def test_a_final_that_may_repeat_waits_for_the_loudspeakers() -> None:
    """It is published behind their final, its words marked."""
    stage = Stage()
    marker = stage.marker()
    marker.take(partial("We should ship"))
    marker.take(final(Source.MIC, LINE, 1.2))
    assert stage.shown() == []
    stage.known = 5.0
    marker.take(final(Source.SYSTEM, LINE, 1.0))
    assert stage.shown() == [f"system: {LINE}", ""]


def test_a_final_that_repeats_nothing_is_published_at_once() -> None:
    """Talking at the same time costs no delay."""
    stage = Stage()
    marker = stage.marker()
    marker.take(partial("We should ship"))
    marker.take(final(Source.MIC, "no wait a moment", 1.2))
    assert stage.shown() == ["mic: no wait a moment"]


def test_finals_stay_in_order() -> None:
    """One that could go waits for the one before it."""
    stage = Stage()
    marker = stage.marker()
    marker.take(partial("We should ship"))
    marker.take(final(Source.MIC, LINE, 1.2))
    marker.take(final(Source.MIC, "no wait a moment", 4.0))
    assert stage.shown() == []
    marker.take(partial(""))  # it was no speech after all
    stage.known = 3.5
    marker.release()
    assert stage.shown() == [f"mic: {LINE}", "mic: no wait a moment"]


async def test_what_is_held_goes_when_it_turns_out_to_be_silence() -> None:
    """Nobody says so; the marker looks."""
    stage = Stage()
    marker = stage.marker()
    marker.take(final(Source.MIC, LINE, 1.2))
    running = asyncio.create_task(marker.run())
    await asyncio.sleep(0)
    assert stage.shown() == []
    stage.known = 5.0
    await asyncio.wait_for(stage.arrived.wait(), 5)
    assert stage.shown() == [f"mic: {LINE}"]
    running.cancel()


def test_a_revision_is_marked_as_what_it_replaces() -> None:
    """Word by word where they were said; and it never overtakes what it replaces."""
    stage = Stage()
    marker = stage.marker()
    marker.take(final(Source.SYSTEM, LINE, 1.0))
    held = final(Source.MIC, LINE, 1.1).segment
    marker.take(Final(held))
    again = final(Source.MIC, "We should ship the nude version", 1.1).segment
    marker.take(Revision((held.id,), (replace(again, id="mic-9"),), "heard_again"))
    *_, before, revision = stage.published
    assert isinstance(before, Final)
    assert before.segment.source is Source.MIC
    assert isinstance(revision, Revision)
    assert all(word.bleed for word in before.segment.words)
    assert all(word.bleed for word in revision.segments[0].words)


def test_a_revision_of_something_else_publishes_nothing_early() -> None:
    """What waits to be judged goes on waiting."""
    stage = Stage()
    marker = stage.marker()
    marker.take(final(Source.MIC, LINE, 1.1))
    revision = Revision(("system-1",), (final(Source.SYSTEM, LINE, 0.0).segment,), "heard_again")
    marker.take(revision)
    assert stage.published == [revision]


def test_old_text_of_the_loudspeakers_is_forgotten() -> None:
    """Half a minute is enough; text of the microphone is not kept at all."""
    marker = Stage().marker()
    for at in range(0, 200, 10):
        marker.remember((final(Source.SYSTEM, LINE, at).segment, final(Source.MIC, LINE, at).segment))
    assert len(marker._heard) <= 4 * len(LINE.split())


def test_a_session_that_is_reopened_knows_what_was_played() -> None:
    """Finals of before count."""
    stage = Stage(known=5.0)
    marker = stage.marker()
    marker.remember((final(Source.SYSTEM, LINE, 1.0).segment,))
    marker.take(final(Source.MIC, LINE, 1.2))
    assert stage.shown() == [""]


def own(text: str, revision: int = 1, at: float = 1.2) -> Partial:
    """What the microphone hears."""
    return Partial(f"{Source.MIC}-{at}", Source.MIC, revision, at, text, "")


def marks(stage: Stage) -> list[bool]:
    """Which partials of the microphone are marked, in the order they came."""
    return [one.bleed for one in stage.published if isinstance(one, Partial) and one.source is Source.MIC]


def test_a_partial_that_only_repeats_is_marked_at_once() -> None:
    """Also when it is a little ahead; once more is said than was played it is not."""
    stage = Stage()
    marker = stage.marker()
    marker.take(partial("We should ship the new"))
    marker.take(own("we should ship the new version"))
    marker.take(own("we should ship the new version and I say again that this is not going to happen", 2))
    assert marks(stage) == [True, False]


def leads(stage: Stage) -> list[int]:
    """How many words at the beginning of each partial of the microphone are marked."""
    return [one.bleed_words for one in stage.published if isinstance(one, Partial) and not one.bleed]


def test_own_words_behind_an_echo_are_shown_alone() -> None:
    """As soon as they are; and what was hidden once stays hidden when the recogniser changes its mind."""
    stage = Stage(known=4.0)
    marker = stage.marker()
    marker.take(final(Source.SYSTEM, LINE, 1.0))
    for revision, text in enumerate(
        (f"{LINE} I say no", f"{LINE} I say no to that", "We mumble it I say no to that")
    ):
        marker.take(own(text, revision))
    assert marks(stage) == [False, False, False]
    shown = [one for one in stage.published if isinstance(one, Partial)]
    assert [one.bleed_words for one in shown] == [6, 6, 6]
    assert [one.without_bleed() for one in shown[:1]] == [
        Partial("mic-1.2", Source.MIC, 0, 1.2, "I say no", "")
    ]


def test_who_answers_with_the_same_words_is_shown() -> None:
    """Behind the moment in which an echo would begin."""
    stage = Stage(known=20.0)
    marker = stage.marker()
    marker.take(final(Source.SYSTEM, "we ship the new version", 1.0))
    marker.take(own("the new version is not what I would ship", at=3.6))
    assert (marks(stage), leads(stage)) == ([False], [0])


def test_who_begins_with_the_loudspeakers_is_taken_for_them_until_there_is_text() -> None:
    """The first echo of a meeting does not flash by; who says something else waits for a moment only."""
    stage = Stage(known=1.0)
    marker = stage.marker()
    marker.take(own("we should ship the"))
    marker.take(partial("We should"))
    marker.take(own("we should ship the new", 2))
    marker.take(own("no wait a moment please", 3))
    stage.known = 5.0
    marker.take(own("no wait", at=5.8))
    assert marks(stage) == [True, True, False, False]


def test_a_partial_that_repeats_nothing_is_shown() -> None:
    """Talking at the same time is no echo, and the first words are not held back without a reason."""
    stage = Stage()
    marker = stage.marker()
    marker.take(partial("We should ship the new"))
    marker.take(own("no"))
    marker.take(own("no wait a moment please", 2))
    assert marks(stage) == [False, False]


def test_where_loudspeakers_are_heard_the_first_words_behind_them_are_taken_for_theirs() -> None:
    """Even before any text of them is known; when they are silent they are not."""
    stage = Stage(known=5.0)
    marker = stage.marker()
    marker.remember((final(Source.SYSTEM, LINE, 1.0).segment,))
    marker.take(final(Source.MIC, LINE, 1.2))
    stage.known = 8.0
    marker.take(own("let us", at=8.2))
    stage.known = 20.0
    marker.take(own("let us", at=12.2))
    assert marks(stage) == [True, False]
