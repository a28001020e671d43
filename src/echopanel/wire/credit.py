"""How far a client may send ahead, per source: flow control as arithmetic on sample indices.

Credit is a place in the timeline, not an amount: "you may send samples below this index". Saying it twice
changes nothing, so it survives repeats and resumes. Jumping ahead costs none (nothing is sent for the
range jumped over): both ends see the same jump in the same order and move the limit by its length.
"""

from __future__ import annotations


class Credit:
    """One source's credit; both ends keep one and see it change alike.

    Args:
        sent: index just behind the newest sample sent.
        limit: index below which samples may be sent.
    """

    def __init__(self, sent: int, limit: int) -> None:
        self.sent = sent
        self.limit = limit

    def __repr__(self) -> str:
        return f"<Credit {self.sent}/{self.limit}>"

    def allowance(self, start: int) -> int:
        """How many samples may be sent now in one stretch that begins at `start`."""
        return max(0, self.limit - min(start, self.sent))

    def spend(self, start: int, end: int) -> None:
        """Note that [start, end) was sent."""
        self.limit += max(0, start - self.sent)
        self.sent = max(self.sent, end)

    def grant(self, limit: int) -> int:
        """Note a limit that was granted; credit once given is not taken back.

        Returns:
            The limit in force.
        """
        self.limit = max(self.limit, limit)
        return self.limit
