"""The seam to the file system."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from echopanel.errors import StoreError
from echopanel.store.disk import (
    REMEDY,
    DiskError,
    DiskFile,
    ProcessLock,
    Trouble,
    disk_errors,
    sync_directory,
)


@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (errno.ENOSPC, Trouble.NO_SPACE),
        (errno.EDQUOT, Trouble.NO_SPACE),
        (errno.EFBIG, Trouble.NO_SPACE),
        (errno.EROFS, Trouble.READ_ONLY),
        (errno.EACCES, Trouble.DENIED),
        (errno.EPERM, Trouble.DENIED),
        (errno.ENOENT, Trouble.MISSING),
        (errno.EIO, Trouble.IO),
        (errno.EMFILE, Trouble.IO),
        (None, Trouble.IO),
    ],
)
def test_errors_say_what_to_do(code: int | None, trouble: Trouble) -> None:
    """Whatever the system says becomes one of few troubles, in one line with its remedy."""
    with pytest.raises(DiskError) as caught, disk_errors(Path("/data/mic.journal")):
        raise OSError("odd") if code is None else OSError(code, os.strerror(code))
    assert isinstance(caught.value, StoreError)
    assert caught.value.trouble is trouble
    reason = "odd" if code is None else os.strerror(code)
    assert str(caught.value) == f"/data/mic.journal: {reason}; {REMEDY[trouble]}"


def test_every_trouble_has_a_remedy() -> None:
    """No trouble without advice."""
    assert set(REMEDY) == set(Trouble)


def test_file_is_written_at_offsets(tmp_path: Path) -> None:
    """Writes overwrite and extend, reads stop at the end, truncation cuts."""
    with DiskFile(tmp_path / "file") as file:
        file.write(0, b"hello world")
        file.write(6, b"there")
        assert file.read(6, 100) == b"there"
        assert file.read(50, 10) == b""
        file.truncate(5)
        assert file.size == 5
        file.sync()
    assert (tmp_path / "file").read_bytes() == b"hello"


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system call that takes only a part, as they may, is no error."""
    pwrite, pread = os.pwrite, os.pread
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:3], offset))
    monkeypatch.setattr(os, "pread", lambda fd, count, offset: pread(fd, min(count, 2), offset))
    with DiskFile(tmp_path / "file") as file:
        file.write(1, b"0123456789")
        assert file.read(1, 10) == b"0123456789"


def test_closed_file_is_an_error_not_another_file(tmp_path: Path) -> None:
    """After closing, no operation reaches a descriptor that something else may have got."""
    file = DiskFile(tmp_path / "file")
    file.close()
    file.close()
    with pytest.raises(DiskError):
        file.write(0, b"x")


def test_missing_directory_is_named(tmp_path: Path) -> None:
    """Opening below a directory that is not there says so."""
    with pytest.raises(DiskError) as caught:
        DiskFile(tmp_path / "none" / "file")
    assert caught.value.trouble is Trouble.MISSING
    with pytest.raises(DiskError):
        sync_directory(tmp_path / "none")


def test_a_removed_file_takes_nothing_more(tmp_path: Path) -> None:
    """The kernel would, and forget it with the process; a file that was moved is still somebody's."""
    with DiskFile(tmp_path / "file") as file:
        (tmp_path / "file").rename(tmp_path / "moved")
        file.write(0, b"hello")
        assert (tmp_path / "moved").read_bytes() == b"hello"
        (tmp_path / "moved").unlink()
        with pytest.raises(DiskError, match="do not remove files") as caught:
            file.write(5, b" world")
        assert caught.value.trouble is Trouble.MISSING


HOLD = """
import sys
from pathlib import Path
from echopanel.store.disk import ProcessLock
lock = ProcessLock(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_lock_keeps_another_process_out_until_it_dies(tmp_path: Path) -> None:
    """A second process is told to go elsewhere; once the first was killed the lock is free."""
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(DiskError) as caught:
            ProcessLock(path)
        assert caught.value.trouble is Trouble.IN_USE
        holder.kill()
    lock = ProcessLock(path)
    lock.release()
    lock.release()
