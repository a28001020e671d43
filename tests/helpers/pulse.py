"""A PulseAudio daemon of the tests' own with null sinks: nothing sounds, everything can be heard."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SPEAKERS = "sink_name=speakers sink_properties=device.description=Speakers"
VOICE = "sink_name=voice sink_properties=device.description=Voice"
MICROPHONE = "source_name=microphone master=voice.monitor source_properties=device.description=Microphone"
_PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """A running daemon. What is played on the sink `voice` is what its `microphone` hears."""

    environment: dict[str, str]

    def load(self, module: str, arguments: str) -> str:
        """Plug a device in; returns what `unload` wants."""
        return self._control("load-module", module, *arguments.split())

    def unload(self, module: str) -> None:
        """Pull a device out."""
        self._control("unload-module", module)

    def choose(self, sink: str) -> None:
        """Make a sink the system's default."""
        self._control("set-default-sink", sink)

    def play(self, sink: str, recording: Path) -> subprocess.Popen[bytes]:
        """Begin to play a WAV file; it ends by itself."""
        return subprocess.Popen(
            ["paplay", f"--device={sink}", str(recording)], env=os.environ | self.environment
        )

    def _control(self, *arguments: str) -> str:
        command = ["pactl", *arguments]
        done = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@contextmanager
def pulse(directory: Path) -> Iterator[Pulse]:
    """A daemon with its files in `directory`, with a microphone and without speakers."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket = directory / "native"
    environment = {
        "PULSE_SERVER": f"unix:{socket}",
        "PULSE_RUNTIME_PATH": str(directory),
        "PULSE_STATE_PATH": str(directory),
        "XDG_CONFIG_HOME": str(directory),
    }
    modules = [
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        f"module-null-sink {VOICE}",
        f"module-remap-source {MICROPHONE}",
    ]
    command = [
        "pulseaudio",
        "-n",
        "--system=no",
        "--daemonize=no",
        "--use-pid-file=no",
        "--exit-idle-time=-1",
    ]
    command += [part for module in modules for part in ("-L", module)]
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log) as daemon,
    ):
        try:
            _wait_for(socket, daemon)
            yield Pulse(environment)
        finally:
            daemon.terminate()
            daemon.wait(_PATIENCE_S)


def _wait_for(socket: Path, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not socket.exists():
        assert daemon.poll() is None, "pulseaudio ended at once"
        assert time.monotonic() < deadline, "pulseaudio does not start"
        time.sleep(0.05)
