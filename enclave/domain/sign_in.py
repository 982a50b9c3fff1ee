"""What a sign-in may look like before anybody checks it, and how often one may be tried."""

from dataclasses import dataclass, field

from hvelv.enclave.domain.sessions import NAME

LONGEST_PASSWORD = 256
LONGEST_CODE = 16
UNUSABLE = "(unusable)"
MOST_NAMES = 10_000  # buckets kept; the oldest go first


@dataclass(frozen=True)
class Attempt:
    """Name, password and one-time code, each of a length that can be handled."""

    person: str
    password: str
    code: str

    @classmethod
    def of(cls, person: object, password: object, code: object) -> "Attempt | None":
        """Return the attempt, or None for one that cannot be anybody's."""
        if not (isinstance(person, str) and isinstance(password, str) and isinstance(code, str)):
            return None
        name, digits = person.strip().lower(), code.strip().replace(" ", "")
        fits = NAME.fullmatch(name) and 0 < len(password) <= LONGEST_PASSWORD and len(digits) <= LONGEST_CODE
        return cls(name, password, digits) if fits else None


def loggable(person: object) -> str:
    """Return the name as it may stand in a log: bounded, and never a password typed in the wrong field."""
    text = person.strip().lower() if isinstance(person, str) else ""
    return text if NAME.fullmatch(text) else UNUSABLE


@dataclass
class Bucket:
    """Holds `size` tokens, gets `each_second` more; a try takes one."""

    size: float
    each_second: float
    tokens: float
    at: float

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        self.tokens = min(self.size, self.tokens + (now - self.at) * self.each_second)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass
class Throttle:
    """How often sign-in may be tried: for each name, known or not, and in all."""

    per_name: tuple[float, float] = (6, 1 / 20)
    overall: tuple[float, float] = (60, 2)
    _names: dict[str, Bucket] = field(default_factory=dict)
    _all: Bucket | None = None

    def allows(self, person: str, now: float) -> bool:
        """Say whether this try may be made now, and count it."""
        if self._all is None:
            self._all = Bucket(*self.overall, self.overall[0], now)
        bucket = self._names.pop(person, None) or Bucket(*self.per_name, self.per_name[0], now)
        self._names[person] = bucket
        if len(self._names) > MOST_NAMES:
            del self._names[next(iter(self._names))]
        return bucket.take(now) and self._all.take(now)
