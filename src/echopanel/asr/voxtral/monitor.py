"""What `voxtral --monitor` says on stderr: lines for people, and symbols for what its pipeline does."""

from __future__ import annotations

import codecs
from collections import Counter, deque

# The symbols, as upstream's main.c has them. Only those that matter here are told apart.
LOADED = "Model loaded."
RUN = "▶"  # the encoder ran
EOS = "↺"  # the model thought speech was over: about 3 s of audio are swallowed
CACHE_FULL = "⟳"  # the context was full: text behind the delay is lost
FULL_RESET = "♻"
OTHERS = "·▪▸▫▹⌛⚠☠↯⌚✂"
SYMBOLS = frozenset((RUN, EOS, CACHE_FULL, FULL_RESET, *OTHERS))
LINES_KEPT = 20
LONGEST_LINE = 400


class Monitor:
    """Bytes of stderr in; counts of symbols and the latest lines out."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._line = ""

    def __repr__(self) -> str:
        return f"<Monitor {''.join(f'{symbol}{count} ' for symbol, count in self.counts.items()).rstrip()}>"

    @property
    def loaded(self) -> bool:
        """Whether it said that the weights are there; it said so before it used them."""
        return self.counts[LOADED] > 0

    @property
    def losses(self) -> int:
        """How often the model was reset in a way that swallows speech."""
        return self.counts[EOS] + self.counts[CACHE_FULL]

    @property
    def last_words(self) -> str:
        """The end of what it said to people, in one line."""
        lines = [line for line in (*self._lines, self._line) if line]
        return "; ".join(lines[-3:])

    def push(self, data: bytes) -> None:
        """Take what a read gave; it may end inside a character."""
        for char in self._decoder.decode(data):
            if char in SYMBOLS:
                self.counts[char] += 1
            elif char == "\n":
                self._end_line()
            elif char.isprintable() and len(self._line) < LONGEST_LINE:
                self._line += char

    def _end_line(self) -> None:
        line, self._line = self._line.strip(), ""
        if line == LOADED:
            self.counts[LOADED] += 1
        if line:
            self._lines.append(line)
