"""Showing the events of a meeting: as captions on a terminal, as lines in a pipe, as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from echopanel.audio import Source, to_seconds
from echopanel.capture.devices import DeviceState, DeviceStatus
from echopanel.cli.options import printable
from echopanel.client import events
from echopanel.client.events import Event, LinkState, LinkStatus
from echopanel.store.export import LABELS, clock
from echopanel.transcript import Final, Gap, GapStatus, Partial, Revision, Segment
from echopanel.wire.messages import Error, Flow, Stopped

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Shown = Event | DeviceStatus
Show = Callable[[Shown], None]


def json_line(event: Shown | Stopped) -> None:
    """Write one event as one line of JSON."""
    body = {"type": "device"} | asdict(event) if isinstance(event, DeviceStatus) else events.as_json(event)
    typer.echo(json.dumps(body, ensure_ascii=False))


def text_line(event: Shown, labels: dict[Source, str], *, show_bleed: bool = False) -> None:
    """Write what stays: final text to stdout, trouble to stderr."""
    for line in spoken(event, labels, show_bleed=show_bleed):
        typer.echo(line)
    if note := trouble(event):
        typer.echo(note, err=True)


def lines(labels: dict[Source, str], *, show_bleed: bool = False) -> Show:
    """Write events as lines, and changes of quality to stderr."""
    levels = Levels()

    def show(event: Shown) -> None:
        text_line(event, labels, show_bleed=show_bleed)
        if note := levels.note(event):
            typer.echo(note, err=True)

    return show


def labels_for(sources: Sequence[Source]) -> dict[Source, str]:
    """Names of the sources where there is more than one."""
    return {source: LABELS[source] for source in sources} if len(sources) > 1 else {}


def spoken(event: Shown, labels: dict[Source, str], *, show_bleed: bool = False) -> list[str]:
    """The lines of finished text that an event brings; `show_bleed`: also of what another source has too."""
    segments: tuple[Segment, ...]
    match event:
        case Final(segment):
            segments, note = (segment,), ""
        case Revision():
            segments, note = event.segments, " (corrected)"
        case _:
            return []
    shown = segments if show_bleed else tuple(segment.without_bleed() for segment in segments)
    return [_line(segment, labels) + note for segment in shown if segment is not None]


def _line(segment: Segment, labels: dict[Source, str]) -> str:
    label = f"{labels[segment.source]}: " if segment.source in labels else ""
    return f"[{clock(segment.start)}] {label}{printable(segment.text)}"


def trouble(event: Shown) -> str:
    """What the user has to know about an event, in one line; "" if nothing."""
    match event:
        case Gap():
            seconds = to_seconds(event.end_sample - event.start_sample)
            if event.status is GapStatus.SILENCE:
                return f"{seconds:.1f} s of {event.source} that were pending are silence"
            return f"{seconds:.1f} s of {event.source} are {event.status}: {printable(event.reason)}"
        case Revision(replaced, ()):
            return f"{len(replaced)} lines are taken back: {printable(event.reason)}"
        case Error():
            return f"{event.code}: {printable(event.message)}"
        case LinkStatus():
            return _link(event)
        case DeviceStatus():
            return _device(event)
        case _:
            return ""


class Levels:
    """Tells of changes of quality, which stays what it is for a while."""

    def __init__(self) -> None:
        self._told = 0

    def note(self, event: Shown) -> str:
        """The line about a change; "" if there is none."""
        if not isinstance(event, Flow) or event.level == self._told:
            return ""
        self._told = event.level
        reason = f" ({printable(event.reason)})" if event.reason else ""
        return f"quality: level {event.level}, {printable(event.plan)}{reason}"


def _link(status: LinkStatus) -> str:
    kept = f", {status.buffered_s:.1f} s of audio kept" if status.buffered_s >= 1 else ""
    match status.state:
        case LinkState.WAITING:
            return f"{printable(status.reason)}; trying again in {status.retry_in or 0:.0f} s{kept}"
        case LinkState.LIVE | LinkState.CATCHING_UP if status.reason:
            return f"connected: {printable(status.reason)}{kept}"
        case LinkState.LOST:
            return f"connection lost: {printable(status.reason)}{kept}"
        case _:
            return ""


def _device(status: DeviceStatus) -> str:
    name = printable(status.name)
    if status.state is DeviceState.RECORDING:
        return f"{status.source}: recording {name}"
    return f"{status.source}: {name} is gone; recording goes on when it is back"


class Captions:
    """Finished text scrolls by; below it stands what is being said, stable words solid and the rest dim."""

    def __init__(
        self,
        console: Console,
        labels: dict[Source, str],
        footer: Callable[[], str] = lambda: "",
        *,
        show_bleed: bool = False,
    ) -> None:
        """`footer` is asked for what stands behind the state, at every refresh."""
        self._console = console
        self._labels = labels
        self._footer = footer
        self._show_bleed = show_bleed
        self._open: dict[Source, Partial] = {}
        self._flow: Flow | None = None
        self._levels = Levels()
        self._state = LinkState.CLOSED

    def show(self, event: Shown) -> None:
        """Take in an event and print what stays."""
        match event:
            case Partial() if event.text:
                self._open[event.source] = event
            case Partial():  # taken back
                self._close(event.source, event.segment_id)
            case Final(segment):
                self._close(segment.source, segment.id)
            case Flow():
                self._flow = event
            case LinkStatus():
                self._state = event.state
        for line in spoken(event, self._labels, show_bleed=self._show_bleed):
            self._console.print(line, markup=False, highlight=False)
        if note := trouble(event) or self._levels.note(event):
            self._console.print(note, style="yellow", markup=False, highlight=False)

    def _close(self, source: Source, segment: str) -> None:
        if source in self._open and self._open[source].segment_id == segment:
            del self._open[source]

    def __rich__(self) -> Text:
        """The part that changes."""
        from rich.text import Text

        shown = Text()
        for source, whole in sorted(self._open.items()):
            partial = whole if self._show_bleed else whole.without_bleed()
            if partial is None:
                continue
            label = f"{self._labels[source]}: " if source in self._labels else ""
            shown.append(f"[{clock(partial.start)}] {label}{printable(partial.stable)}")
            shown.append(f" {printable(partial.tail)}\n" if partial.tail else "\n", style="dim")
        parts = [_STATES[self._state], self._footer(), _status(self._flow) if self._flow else ""]
        if any(parts):
            shown.append("   ".join(filter(None, parts)), style="dim")
        return shown


_STATES = {
    LinkState.CONNECTING: "connecting",
    LinkState.LIVE: "live",
    LinkState.CATCHING_UP: "catching up",
    LinkState.WAITING: "reconnecting",
    LinkState.LOST: "connection lost",
    LinkState.CLOSED: "",
}


def _status(flow: Flow) -> str:
    lags = [one.lag_s for one in flow.sources.values() if one.lag_s is not None]
    lag = f", {max(lags):.1f} s behind" if lags else ""
    return f"load {flow.load:.2f}{lag}" + (f", level {flow.level}: {flow.reason}" if flow.level else "")


@contextmanager
def display(
    sources: Sequence[Source],
    *,
    as_json: bool,
    show_bleed: bool = False,
    footer: Callable[[], str] = lambda: "",
) -> Iterator[Show]:
    """The way of showing that fits: JSON where asked for, captions over `footer` on a terminal; lines."""
    labels = labels_for(sources)
    if as_json:
        yield json_line
    elif not sys.stdout.isatty():
        yield lines(labels, show_bleed=show_bleed)
    else:
        from rich.console import Console
        from rich.live import Live

        console = Console()
        captions = Captions(console, labels, footer, show_bleed=show_bleed)
        with Live(captions, console=console, refresh_per_second=10, transient=True):
            yield captions.show
