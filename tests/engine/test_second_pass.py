"""A recorded session heard once more: everything once, each utterance alone, failures told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from echopanel.asr.fake import Fake, Script
from echopanel.audio import SAMPLE_RATE, Samples, Source, float_to_pcm16
from echopanel.engine.options import PipelineOptions
from echopanel.engine.second_pass import SecondPass, plan, spoken_language
from echopanel.engine.settings import EngineSettings
from echopanel.errors import AudioError, NoRecording, SessionRunning, TranscriptionFailed
from echopanel.store.archive import Archive
from echopanel.store.fsync import FsyncPolicy
from echopanel.store.journal import Journal
from echopanel.store.recording import Recording, record_session
from echopanel.store.transcripts import ResumeRecord, SessionRecord, TranscriptStore
from echopanel.transcript import Refined, Segment, Transcript
from tests.engine.rig import SPEC, engine_of, install, quarters, said, silence, speech

SESSION = "0123456789abcdef"
NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
OPTIONS = PipelineOptions.of("en", "", "", partials=False)
TALK = said(speech(2.0), silence(0.75), speech(1.0), silence(2.0), speech(1.0), silence(0.75))
QUARTERS = [*range(8), *range(11, 15), *range(23, 27)]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """What the engines of a test load."""
    fake = Fake()
    install(monkeypatch, fake)
    return fake


def recorded(directory: Path, **sources: Samples) -> list[Recording]:
    """Recordings of a session."""
    journal = Journal(directory / "journal", FsyncPolicy.NONE)
    session = journal.session(SESSION)
    for source, samples in sources.items():
        session.source(Source(source)).append(0, float_to_pcm16(samples))
    made = record_session(session, Archive(directory).directory)
    journal.close()
    return made


async def second_pass(
    fake: Fake, recordings: Sequence[Recording], told: list[float] | None = None
) -> Refined:
    """One over these recordings, on an engine that has loaded nothing else."""
    work = SecondPass(recordings, Transcript(), SPEC, OPTIONS)
    async with engine_of(fake, EngineSettings(SPEC, max_inference=2)) as engine:
        return await engine.refine(work, on_progress=(told if told is not None else []).append)


async def test_everything_is_heard_once(fake: Fake, tmp_path: Path) -> None:
    """Both recordings, all words in their places, holes left out; and the model is let go."""
    told: list[float] = []
    recordings = recorded(tmp_path, mic=TALK, system=0.5 * TALK)
    refined = await second_pass(fake, recordings, told)
    for source in Source:
        segments = [one for one in refined.segments if one.source is source]
        assert quarters(one.text for one in segments) == QUARTERS
        assert [one.words[0].start for one in segments] == [0.0, 2.75, 5.75]
        assert refined.heard[source][0] == (0, round(3.8 * SAMPLE_RATE))
    assert len({one.id for one in refined.segments}) == 6
    assert (refined.provider, refined.model) == (SPEC.provider, SPEC.name)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(2 * (len(TALK) / SAMPLE_RATE - 0.7))  # silence at the end is a hole
    [model] = fake.models
    assert model.closed
    assert {len(chunks) for chunks in model.calls} == {1}


async def test_what_the_microphone_overheard_is_marked(fake: Fake, tmp_path: Path) -> None:
    """As in the live text, so that exports can leave it out."""
    script = "nobody knows how often this was said before"
    fake.script = Script(text=lambda _: script)
    audio = said(speech(3.0), silence(1.0))
    refined = await second_pass(fake, recorded(tmp_path, mic=audio, system=0.5 * audio))
    marks = {one.source: [word.bleed for word in one.words] for one in refined.segments}
    assert marks == {Source.MIC: [True] * 8, Source.SYSTEM: [False] * 8}


async def test_a_pass_that_cannot_be_finished_is_no_pass(fake: Fake, tmp_path: Path) -> None:
    """A recogniser that fails twice, a recording that is gone."""
    recordings = recorded(tmp_path, mic=TALK)
    fake.script = Script(fail=lambda call: call < 2)
    with pytest.raises(TranscriptionFailed, match="call 1 fails by script"):
        await second_pass(fake, recordings)
    fake.script = Script(fail=lambda call: call == 1)
    assert quarters(one.text for one in (await second_pass(fake, recordings)).segments) == QUARTERS
    recordings[0].path.unlink()
    with pytest.raises(AudioError):
        await second_pass(fake, recordings)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TranscriptStore]:
    """A store with a session that runs."""
    with TranscriptStore(tmp_path) as opened:
        opened.create_session(SessionRecord(SESSION, NOON, language="de"))
        yield opened


def test_only_a_complete_session_that_was_recorded_can_be_refined(
    store: TranscriptStore, tmp_path: Path
) -> None:
    """What it was started with holds for the second pass too."""
    archive, wishes = (
        Archive(tmp_path),
        ResumeRecord("ab" * 32, (Source.MIC,), prompt="Kestrel", hotwords="Ada"),
    )
    store.save_resume(SESSION, wishes)
    with pytest.raises(SessionRunning, match="stop it first"):
        plan(store, archive, SESSION, SPEC)
    store.stop_session(SESSION, NOON, wishes)
    with pytest.raises(SessionRunning, match="pending"):
        plan(store, archive, SESSION, SPEC)
    store.end_session(SESSION, NOON)
    with pytest.raises(NoRecording, match="--record"):
        plan(store, archive, SESSION, SPEC)
    recorded(tmp_path, mic=speech(1.0))
    work = plan(store, archive, SESSION, SPEC)
    assert [one.source for one in work.recordings] == [Source.MIC]
    decode = work.options.decode
    assert spoken_language(work.live) is None
    assert (decode.language, decode.prompt, decode.hotwords) == ("de", "Kestrel", "Ada")


def test_the_language_is_that_of_most_live_words() -> None:
    """Where the session did not name one; a tie is always decided alike."""
    spoken = [("so far so good", "en"), ("ja", "de"), ("nein", "de"), ("?", None)]
    segments = tuple(
        Segment(f"mic-{number}", Source.MIC, number, number + 1, text, 0, 1, (), language)
        for number, (text, language) in enumerate(spoken)
    )
    assert spoken_language(Transcript(segments=segments)) == "en"
    assert spoken_language(Transcript(segments=segments[1:])) == "de"
    tied = (segments[1], replace(segments[2], language="en"))
    assert spoken_language(Transcript(segments=tied)) == spoken_language(Transcript(segments=tied[::-1]))
