"""What the engine asks of whoever runs somebody's work on blocks of persons. The walls are an adapter's matter."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from hvelv.kernel.errors import Unavailable, _
from hvelv.privacy.domain.methods.blocks import Blocks
from hvelv.privacy.domain.source import Asked


def no_walls() -> Unavailable:
    """Return the fault of a machine on which nobody's code can be kept in."""
    return Unavailable(_("Denne maskinen kan ikke kjøre kode på personblokker bak sikre vegger."), code="no-walls")


@dataclass(frozen=True)
class BlockTask:
    """The same work for every block.

    `document`: what to do and what the columns are, as JSON. `length`: how many numbers an answer has. `seconds`: the
    time that passes for each block, whatever it does.
    """

    document: dict[str, Any]
    length: int
    seconds: float


class BlockRunner(Protocol):
    """Runs a task on one block after the other, each in a process of its own that is gone before the next one begins."""

    @property
    def possible(self) -> bool:
        """Say whether blocks can be run behind walls here."""
        ...

    def run(self, task: BlockTask, blocks: Iterable[bytes]) -> Iterator[bytes | None]:
        """Yield what each block said: 8 bytes for each number, little-endian floats of any value; None for anything else.

        `blocks`: for each column, and first for the person's number in the block, 8 bytes for each row. Nothing that
        one block does or holds may change what another one says, and how long it all takes depends on how many blocks
        there are and on nothing in them. Raises `Unavailable` where blocks cannot be run behind walls.
        """
        ...


@dataclass(frozen=True)
class WhereWallsAre:
    """Lets a question pass if this machine can answer it: asked before anything is charged."""

    runner: BlockRunner | None

    def __call__(self, question: Asked) -> None:
        """Raise `Unavailable` for work on blocks where there is nobody to run it behind walls."""
        if isinstance(question, Blocks) and not (self.runner and self.runner.possible):
            raise no_walls()
