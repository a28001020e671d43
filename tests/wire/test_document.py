"""docs/protocol.md says what the code does."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

from echopanel.audio import AudioFrame, Source
from echopanel.wire import diagram, fields, messages
from echopanel.wire.codec import decode, encode
from echopanel.wire.diagram import sections
from echopanel.wire.frames import HEADER
from echopanel.wire.handshake import PATH, SUBPROTOCOL, TOKEN_SUBPROTOCOL
from echopanel.wire.messages import Kind

DOCUMENT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text[:24])
def test_every_example_is_a_message(example: str) -> None:
    """Readers may copy what they see: nothing in an example is ignored, nothing is missing."""
    message = decode(example)
    assert json.loads(str(encode(message))).items() >= json.loads(example).items()


def test_every_message_has_a_section_with_an_example() -> None:
    """No message type is left out, and none is made up."""
    types = {kind.json_type for kind in Kind} - {Kind.UNKNOWN, Kind.AUDIO}
    assert {json.loads(example)["type"] for example in EXAMPLES} == types
    assert set(re.findall(r"^### (\w+)$", DOCUMENT, re.MULTILINE)) == types | {Kind.AUDIO}


def test_the_example_of_a_frame_is_one() -> None:
    """The bytes are what the text above them says."""
    found = re.search(r"^```hex\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found
    data = bytes.fromhex(found[1])
    frame = AudioFrame(Source.SYSTEM, 16_000, b"\x01\x00\xff\xff", 1000.0, skipped=True)
    assert decode(data) == frame
    assert encode(frame) == data


def test_the_header_table_has_the_layout() -> None:
    """Offsets and sizes add up to the header."""
    rows = re.findall(r"^\| (\d+) \| (\d+) \| \w+ \|", DOCUMENT, re.MULTILINE)
    offset = 0
    for at, size in rows:
        assert int(at) == offset
        offset += int(size)
    assert offset == HEADER.size


@pytest.mark.parametrize("name", sections())
def test_generated_sections_are_up_to_date(name: str) -> None:
    """After a change of the tables, paste what `python -m echopanel.wire.diagram` prints."""
    assert sections()[name] in DOCUMENT


def test_the_module_prints_the_sections(capsys: pytest.CaptureFixture[str]) -> None:
    """The command that the document's keepers need."""
    runpy.run_path(diagram.__file__, run_name="__main__")
    assert capsys.readouterr().out == "\n\n".join(sections().values()) + "\n"


def test_names_and_numbers_are_the_codes() -> None:
    """Path, subprotocols, version and limits."""
    assert f"GET {PATH} HTTP/1.1" in DOCUMENT
    assert f"`{SUBPROTOCOL}`" in DOCUMENT
    assert f"`{TOKEN_SUBPROTOCOL}`" in DOCUMENT
    assert f"# EchoPanel protocol, version {messages.VERSION}\n" in DOCUMENT
    assert fields.MAX_SAMPLE == 2**53
