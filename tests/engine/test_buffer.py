"""The recent audio of a source: what is read is what was appended, and nothing else can be read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echopanel.audio import float_to_pcm16, pcm16_to_float
from echopanel.engine.buffer import AudioBuffer

steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 50)),
        st.tuples(st.just("drop"), st.integers(0, 200)),
        st.tuples(st.just("restart"), st.integers(0, 500)),
    ),
    max_size=30,
)


@given(steps)
def test_it_holds_what_was_appended_and_not_dropped(steps: list[tuple[str, int]]) -> None:
    """Any appends, drops and restarts leave exactly the samples that a plain dictionary would hold."""
    buffer, held, value = AudioBuffer(), dict[int, int](), 0
    for step, number in steps:
        match step:
            case "append":
                values = [(value + i) % 30_000 for i in range(number)]
                value += number
                held |= {buffer.end + i: one for i, one in enumerate(values)}
                buffer.append(np.array(values, "<i2").tobytes())
            case "drop":
                buffer.drop_before(number)
                held = {at: one for at, one in held.items() if at >= number}
            case _:
                buffer.restart(number)
                held = {}
        assert buffer.end - buffer.start == len(held)
        read = float_to_pcm16(buffer.read(buffer.start, buffer.end))
        assert np.frombuffer(read, "<i2").tolist() == [held[at] for at in range(buffer.start, buffer.end)]


def test_a_part_is_read_by_sample_index() -> None:
    """Indices are those of the source's timeline, not of the buffer."""
    buffer = AudioBuffer(start=1000)
    pcm = np.arange(100, dtype="<i2").tobytes()
    buffer.append(pcm)
    assert np.array_equal(buffer.read(1010, 1020), pcm16_to_float(pcm[20:40]))


@pytest.mark.parametrize(("start", "end"), [(99, 110), (100, 111), (105, 104), (0, 0)])
def test_what_is_not_held_cannot_be_read(start: int, end: int) -> None:
    """A range that reaches beyond the buffer is an error, never other samples."""
    buffer = AudioBuffer(start=100)
    buffer.append(bytes(20))
    with pytest.raises(IndexError, match=r"\[100, 110\)"):
        buffer.read(start, end)


def test_what_was_read_stays_when_the_buffer_goes_on() -> None:
    """A chunk that a worker has is not touched by what arrives later."""
    buffer = AudioBuffer()
    buffer.append(np.array([1, 2], "<i2").tobytes())
    read = buffer.read(0, 2)
    buffer.drop_before(1)
    buffer.append(np.array([9, 9], "<i2").tobytes())
    assert float_to_pcm16(read) == np.array([1, 2], "<i2").tobytes()
