"""Whether text that is not final, and so has no word times yet, only repeats what the loudspeakers play."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from echopanel.policy.bleed import BleedSettings, spelled

# People seldom say more words in a second.
WORDS_PER_S = 3.0
# So many words the microphone may have been recognised further, and is at most believed to have been.
AHEAD, MOST_AHEAD = 3, 12

Block = tuple[int, int, int]  # place in the one text, place in the other, words that they share there


def repeats(text: str, played: str, ahead: int, settings: BleedSettings | None = None) -> bool:
    """Whether nearly all of `text` is in `played`, in order.

    Args:
        text: what the microphone hears.
        played: what the loudspeakers said around that time, and say.
        ahead: how many words at the end of `text` may be ones that are not in `played` yet.
        settings: how much proves a repetition, and how many words inside it may have been heard differently.
    """
    settings = settings or BleedSettings()
    own, other = spelled(text), spelled(played)
    matcher = SequenceMatcher(None, own, other, autojunk=False)
    blocks = [(block.a, block.b, block.size) for block in matcher.get_matching_blocks() if block.size]
    if not any(_letters(own, block) >= settings.letters for block in blocks if block[2] >= 2):
        return False
    last, _, size = blocks[-1]
    shared = sum(block[2] for block in blocks)
    return (
        _follow((0, 0, 0), blocks[0], settings.reach)
        and all(_follow(one, two, settings.reach) for one, two in pairwise(blocks))
        and len(own) - (last + size) <= ahead
        and shared >= (last + size) / 2
    )


def words_ahead(age_s: float) -> int:
    """How many words may be missing in a text of the loudspeakers that is so many seconds old."""
    return min(MOST_AHEAD, AHEAD + round(WORDS_PER_S * age_s))


def _follow(one: Block, two: Block, reach: int) -> bool:
    """Whether what lies between two blocks may be the same words, heard differently."""
    between, played = two[0] - one[0] - one[2], two[1] - one[1] - one[2]
    return between <= min(reach, played + 1)


def _letters(words: Sequence[str], block: Block) -> int:
    return sum(map(len, words[block[0] : block[0] + block[2]]))
