"""What is wrong with a file: so many places told of, the rest counted, and an end when there are too many."""

from hvelv.kernel.errors import Problem, _

MOST_TOLD = 50
MOST_COUNTED = 5000  # a file with so many faults is the wrong file, and reading on tells nobody anything


class TooManyFaultsError(Exception):
    """Reading should stop: the file is not the one that was declared."""


class Faults:
    """The faults of one file, in the order found."""

    def __init__(self) -> None:
        self.places: list[Problem] = []
        self.count = 0
        self.stopped = False

    @property
    def room(self) -> int:
        """Return how many more places can be told of."""
        return max(0, MOST_TOLD - len(self.places))

    def add(self, message: str, field: str = "", row: int | None = None, **params: object) -> None:
        """Note one place. `params` are names and counts, never values."""
        if self.room:
            self.places.append(Problem(message, field, row, params))
        self.add_uncounted(1)

    def add_uncounted(self, more: int) -> None:
        """Count faults that are not told of one by one. Raises `TooManyFaultsError`."""
        self.count += more
        if self.count > MOST_COUNTED:
            self.stopped = True
            raise TooManyFaultsError

    def take(self, others: "Faults") -> None:
        """Make the faults of `others` this one's too."""
        for problem in others.places:
            self.add(problem.message, problem.field, problem.row, **problem.params)
        self.add_uncounted(others.count - len(others.places))

    def told(self) -> tuple[Problem, ...]:
        """Return the problems, the last of them a count when there were more."""
        rest = self.count - len(self.places)
        if rest <= 0:
            return tuple(self.places)
        message = (
            _("Filen ble ikke lest ferdig: det er minst {count} feil til.") if self.stopped else _("{count} feil til.")
        )
        return (*self.places, Problem(message, params={"count": rest}))
