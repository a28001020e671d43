"""What there is to recognise with: the machine, and the models that providers have or could have."""

from __future__ import annotations

from dataclasses import dataclass

GIGABYTE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Gpu:
    """A CUDA device that CTranslate2 can use; `memory_bytes` is 0 where nobody says."""

    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What this process may use of a computer.

    `cores` and `ram_bytes` respect affinity and the limits of a container; `instructions` are those of
    AVX2, AVX512, VNNI, NEON that the processor has.
    """

    system: str
    architecture: str
    processor: str
    cores: int
    ram_bytes: int
    instructions: tuple[str, ...] = ()
    cuda: tuple[Gpu, ...] = ()
    metal: bool = False


@dataclass(frozen=True, slots=True)
class Offer:
    """A model of a provider: `memory_bytes` its weights take; `get` is the command that installs it.

    `get` is "" for a model that is installed.
    """

    provider: str
    model: str
    memory_bytes: int
    get: str = ""

    @property
    def installed(self) -> bool:
        """Whether it can be loaded without fetching anything."""
        return not self.get
