"""The real sound system, PulseAudio, through the library."""

from __future__ import annotations

import contextlib
import queue
import sys
from pathlib import Path

import numpy as np
import pytest

from echopanel.audio import Source
from echopanel.capture import sound as sound_system
from echopanel.capture.devices import choose
from echopanel.capture.sound import Block, Stream, devices
from echopanel.errors import DeviceError
from tests.e2e.sounds import hum, silence, write_wav
from tests.helpers.pulse import SPEAKERS, Pulse


def test_devices_have_names_kinds_and_defaults(sound: Pulse) -> None:
    """A microphone is for `mic`, what a sink plays is for `system`; the chosen sink is the default."""
    sound.load("module-null-sink", SPEAKERS)
    sound.choose("speakers")
    found = {device.key: device for device in devices()}
    assert set(found) == {"microphone", "voice.monitor", "speakers.monitor"}
    assert found["microphone"].source is Source.MIC
    assert found["speakers.monitor"].source is Source.SYSTEM
    assert found["speakers.monitor"].name == "Monitor of Speakers"
    assert {device.rate for device in found.values()} == {44_100}
    assert choose(list(found.values()), Source.SYSTEM, None).key == "speakers.monitor"
    assert choose(list(found.values()), Source.MIC, None).key == "microphone"


def test_what_is_played_is_heard(sound: Pulse, tmp_path: Path) -> None:
    """Blocks of float32 mono follow each other without a hole."""
    device = choose(devices(), Source.MIC, None)
    blocks: queue.Queue[Block] = queue.Queue()
    stream = Stream(device, blocks.put)
    recording = write_wav(tmp_path / "hum.wav", np.concatenate([hum(1.0, -20.0), silence(0.2)]))
    with sound.play("voice", recording):
        loud: list[Block] = []
        while sum(len(block.samples) for block in loud) < 0.9 * device.rate:
            block = blocks.get(timeout=20)
            if np.abs(block.samples).max() > 0.01:
                loud.append(block)
    stream.close()
    heard = np.concatenate([block.samples for block in loud[1:-1]])
    assert 20 * np.log10(np.sqrt(np.mean(heard**2))) == pytest.approx(-20, abs=1)
    spectrum = np.abs(np.fft.rfft(heard))
    assert spectrum.argmax() * device.rate / len(heard) == pytest.approx(50, abs=3)
    assert [block.at for block in loud] == sorted(block.at for block in loud)


def test_a_device_that_has_gone_cannot_be_opened(sound: Pulse) -> None:
    """The complaint names it."""
    speakers = sound.load("module-null-sink", SPEAKERS)
    device = choose(devices(), Source.SYSTEM, "speakers.monitor")
    sound.unload(speakers)
    with pytest.raises(DeviceError, match="Monitor of Speakers is not there"):
        Stream(device, lambda _: None)


def test_a_missing_package_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says what to install."""
    monkeypatch.setitem(sys.modules, "miniaudio", None)
    with pytest.raises(DeviceError, match="pip install miniaudio"):
        sound_system.devices()


def test_without_a_sound_system_there_are_no_loudspeakers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that is silent for ever is not made up; where nothing answers at all, that is an error."""
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nobody")
    with contextlib.suppress(DeviceError):
        assert [device for device in devices() if device.source is Source.SYSTEM] == []
