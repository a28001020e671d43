"""The data directory, for commands that work on it themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from echopanel.errors import EchoPanelError

if TYPE_CHECKING:
    from echopanel.store.transcripts import TranscriptStore


@contextlib.contextmanager
def opened(data_dir: Path | None, config: Path | None) -> Iterator[TranscriptStore | None]:
    """The store, or None where there is none yet: looking must not make one."""
    from echopanel.config import load_settings
    from echopanel.store.transcripts import FILE_NAME, TranscriptStore

    directory = load_settings({"store.data_dir": data_dir}, config).store.data_dir
    if not (directory / FILE_NAME).exists():
        yield None
        return
    with TranscriptStore(directory) as store:
        yield store


@contextlib.contextmanager
def existing(session: str, data_dir: Path | None, config: Path | None) -> Iterator[TranscriptStore]:
    """The store, which must have `session`."""
    from echopanel.errors import UnknownSession

    with opened(data_dir, config) as store:
        try:
            if store is None:
                raise UnknownSession(session)
            store.session(session)
        except UnknownSession as error:
            raise EchoPanelError(f"{error}; `echopanel sessions list` shows those there are") from error
        yield store


def delete_session(store: TranscriptStore, session: str) -> None:
    """Delete everything there is of a session; its audio first: of audio alone a server makes text."""
    from echopanel.store.archive import Archive
    from echopanel.store.disk import disk_errors
    from echopanel.store.journal import DIRECTORY, discard

    data = store.path.parent
    with disk_errors(data):
        discard(data / DIRECTORY / session)
    store.delete(session)
    Archive(data).delete(session)
