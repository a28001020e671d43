"""The processes of one model: one a stream, never shared, and one more that is warm, if there is room."""

from __future__ import annotations

import threading
from collections.abc import Callable

from echopanel.asr.voxtral.process import VoxtralProcess
from echopanel.errors import Busy, ModelUnavailable


class Pool:
    """At most `most` processes, the one that stands by included. Safe to use from several threads."""

    def __init__(self, start: Callable[[], VoxtralProcess], most: int) -> None:
        self.most = most
        self._start = start
        self._lock = threading.Lock()
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
        with self._lock:
            self._refill()
        return process

    def borrow(self) -> VoxtralProcess:
        """A process that will be put back soon.

        Raises:
            Busy: all are used.
            ModelUnavailable: none can be started.
        """
        with self._lock:
            standby, self._standby = self._standby, None
            if standby is not None and standby.alive:
                self._used.add(standby)
                return standby
            self._reserve()
        if standby is not None:
            standby.close()
        process = self._begin()
        with self._lock:
            self._used.add(process)
        return process

    def put_back(self, process: VoxtralProcess) -> None:
        """Let a process that is in a clean state stand by, unless another does."""
        with self._lock:
            if self._standby is None and not self._closed:
                self._used.discard(process)
                self._standby = process
                return
        self.end(process)

    def end(self, process: VoxtralProcess) -> None:
        """End a process; once it has ended there is room for another."""
        process.close()
        with self._lock:
            self._used.discard(process)
            self._refill()

    def close(self) -> None:
        """End all processes, those in use too."""
        with self._lock:
            self._closed = True
            refilling = self._refilling
        if refilling is not None:
            refilling.join()
        with self._lock:
            processes = [*self._used, *([self._standby] if self._standby else [])]
            self._used.clear()
            self._standby = None
        for process in processes:
            process.close()

    def _reserve(self) -> None:
        """Count a process that is to be started; the lock is held."""
        if self._closed:
            raise Busy("the model is closed")
        if len(self._used) + self._starting >= self.most:
            raise Busy(f"all {self.most} voxtral processes are in use; raise voxtral.max_processes")
        self._starting += 1

    def _begin(self) -> VoxtralProcess:
        try:
            return self._start()
        finally:
            with self._lock:
                self._starting -= 1

    def _refill(self) -> None:
        """Start a process to stand by, aside; the lock is held."""
        room = len(self._used) + self._starting < self.most
        if self._closed or self._standby is not None or self._starting or not room:
            return
        self._starting += 1
        self._refilling = threading.Thread(target=self._stand_by, name="voxtral-standby", daemon=True)
        self._refilling.start()

    def _stand_by(self) -> None:
        try:
            process = self._begin()
        except ModelUnavailable:  # whoever takes the next one will be told
            return
        with self._lock:
            if self._standby is None and not self._closed:
                self._standby = process
                return
        process.close()
