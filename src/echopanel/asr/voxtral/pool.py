"""The processes of one model: one a stream, never shared, and one more that is warm, if there is room."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from echopanel.asr.voxtral.process import VoxtralProcess
from echopanel.errors import Busy, ModelUnavailable


class Pool:
    """At most `most` processes, the one that stands by included. Safe to use from several threads."""

    def __init__(self, start: Callable[[], VoxtralProcess], most: int) -> None:
        self.most = most
        self._start = start
        self._changed = threading.Condition()
        self._used: set[VoxtralProcess] = set()
        self._standby: VoxtralProcess | None = None
        self._starting = 0
        self._refilling: threading.Thread | None = None
        self._closed = False

    def __repr__(self) -> str:
        standby = "one stands by" if self._standby else "none stands by"
        return f"<Pool {len(self._used)} of {self.most} used, {standby}>"

    def prepare(self) -> None:
        """Start the first process and let it stand by.

        Raises:
            ModelUnavailable: it cannot be started.
        """
        self.put_back(self.borrow())

    def take(self) -> VoxtralProcess:
        """A process in a clean state, to be ended with `end`; another is started to stand by.

        Raises:
            Busy: all are used.
            ModelUnavailable: none can be started.
        """
        process = self.borrow()
        with self._changed:
            self._refill()
        return process

    def borrow(self) -> VoxtralProcess:
        """A process that will be put back soon.

        Raises:
            Busy: all are used.
            ModelUnavailable: none can be started.
        """
        with self._changed:
            # One that is being started may stand by in a moment.
            while self._standby is None and self._full and self._starting and not self._closed:
                self._changed.wait()
            standby, self._standby = self._standby, None
            if standby is not None and standby.alive:
                self._used.add(standby)
                return standby
            self._reserve()
        if standby is not None:
            standby.close()
        return self._begin(self._used.add)

    def put_back(self, process: VoxtralProcess) -> None:
        """Let a process that is in a clean state stand by, unless another does."""
        with self._changed:
            if self._standby is None and not self._closed:
                self._used.discard(process)
                self._standby = process
                return
        self.end(process)

    def end(self, process: VoxtralProcess) -> None:
        """End a process; once it has ended there is room for another."""
        process.close()
        with self._changed:
            self._used.discard(process)
            self._refill()

    def close(self) -> None:
        """End all processes, those in use too."""
        with self._changed:
            self._closed = True
            refilling = self._refilling
        if refilling is not None:
            refilling.join()
        with self._changed:
            processes = [*self._used, *([self._standby] if self._standby else [])]
            self._used.clear()
            self._standby = None
        for process in processes:
            process.close()

    @property
    def _full(self) -> bool:
        return len(self._used) + self._starting >= self.most

    def _reserve(self) -> None:
        """Count a process that is to be started; the lock is held."""
        if self._closed:
            raise Busy("the model is closed")
        if self._full:
            raise Busy(f"all {self.most} voxtral processes are in use; raise voxtral.max_processes")
        self._starting += 1

    def _begin(self, use: Callable[[VoxtralProcess], None]) -> VoxtralProcess:
        """Start a process that was counted, and say what it is for."""
        process = None
        try:
            process = self._start()
            return process
        finally:
            with self._changed:
                self._starting -= 1
                if process is not None:
                    use(process)
                self._changed.notify_all()

    def _refill(self) -> None:
        """Start a process to stand by, aside; the lock is held."""
        if self._closed or self._standby is not None or self._starting or self._full:
            return
        self._starting += 1
        self._refilling = threading.Thread(target=self._stand_by, name="voxtral-standby", daemon=True)
        self._refilling.start()

    def _stand_by(self) -> None:
        spare: list[VoxtralProcess] = []

        def keep(process: VoxtralProcess) -> None:
            if self._standby is None and not self._closed:
                self._standby = process
            else:
                spare.append(process)

        with suppress(ModelUnavailable):  # whoever takes the next one will be told
            self._begin(keep)
        for process in spare:
            process.close()
