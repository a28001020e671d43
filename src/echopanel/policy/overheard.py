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


def repeats(
    text: str, played: str, ahead: int, settings: BleedSettings | None = None, *, likely: bool = False
) -> bool:
    """Whether nearly all of `text` is in `played`, in order.

    Args:
        text: what the microphone hears.
        played: what the loudspeakers said around that time, and say.
        ahead: how many words at the end of `text` may be ones that are not in `played` yet.
        settings: how much proves a repetition, and how many words inside it may have been heard differently.
        likely: an echo is to be expected, so that less proves it.
    """
    settings = settings or BleedSettings()
    own, other = spelled(text), spelled(played)
    blocks = _blocks(own, other)
    enough = settings.lone_letters if likely else settings.letters
    if not any(_letters(own, block) >= enough for block in blocks if block[2] >= 2):
        return False
    last, _, size = blocks[-1]
    shared = sum(block[2] for block in blocks)
    return (
        _follow((0, 0, 0), blocks[0], settings.reach)
        and all(_follow(one, two, settings.reach) for one, two in pairwise(blocks))
        and len(own) - (last + size) <= ahead
        and shared >= (last + size) / 2
    )


def leading(text: str, played: str, settings: BleedSettings | None = None) -> int:
    """How many words at the beginning of `text` repeat `played`, in order, where more than that is said.

    Words behind the last two in a row that prove something may be anybody's.
    """
    settings = settings or BleedSettings()
    own, other = spelled(text), spelled(played)
    before: Block = (0, 0, 0)
    shared = certain = 0
    for block in _blocks(own, other):
        if not _follow(before, block, settings.reach):
            break
        before = block
        shared += block[2]
        end = block[0] + block[2]
        if block[2] >= 2 and _letters(own, block) >= settings.letters and shared >= end / 2:
            certain = end
    return _place(text, certain)


def words_ahead(age_s: float) -> int:
    """How many words may be missing in a text of the loudspeakers that is so many seconds old."""
    return min(MOST_AHEAD, AHEAD + round(WORDS_PER_S * age_s))


def _blocks(own: Sequence[str], other: Sequence[str]) -> list[Block]:
    """The longest stretches that both have, in order."""
    matcher = SequenceMatcher(None, own, other, autojunk=False)
    return [(block.a, block.b, block.size) for block in matcher.get_matching_blocks() if block.size]


def _place(text: str, count: int) -> int:
    """Behind how many words of `text` as it is written the first `count` of those that are compared stand."""
    seen = 0
    for place, word in enumerate(text.split()):
        if seen == count:
            return place
        seen += bool(spelled(word))
    return len(text.split())


def _follow(one: Block, two: Block, reach: int) -> bool:
    """Whether what lies between two blocks may be the same words, heard differently."""
    between, played = two[0] - one[0] - one[2], two[1] - one[1] - one[2]
    return between <= min(reach, played + 1)


def _letters(words: Sequence[str], block: Block) -> int:
    return sum(map(len, words[block[0] : block[0] + block[2]]))
