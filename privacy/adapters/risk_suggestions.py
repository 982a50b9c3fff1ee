"""Which steps would bring the risk down: tried one after another, and told with what they would give.

Tried on the first rows of a large extract only. Persons are in the order of their pseudonyms, so these are persons drawn
at random; among fewer persons more stand out, so what is told is on the safe side.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hvelv.privacy.adapters.risk_buckets import outlined
from hvelv.privacy.adapters.risk_table import Table
from hvelv.privacy.domain.reviewing import Extra, extra_documents
from hvelv.privacy.domain.risk import Outline, Policy, candidates, is_within, quasi, score, stands_well
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.steps import Drop, Transform

TRIED_ROWS = 1 << 21
MOST_SHOWN = 6
MOST_ROUNDS = 4  # steps that are put together in one proposal
LEAST_GAIN = 0.02  # of the score, as a share of it

Tried = tuple[str, Transform, Outline]


class Trials:
    """Steps tried on what was gathered."""

    def __init__(self, folder: Path, schema: Schema, policy: Policy, done: Extra, declared: Schema | None) -> None:
        self._folder, self._schema, self._policy = folder, schema, policy
        self._steps = {
            column.name: candidates(
                column, done.get(column.name, ()), policy, declared.find(column.name) if declared else None
            )
            for column in quasi(schema)
        }

    def outline(self, extra: Extra) -> Outline:
        """Return how it would be with `extra` steps."""
        return outlined(Table(self._folder, self._schema, extra, most_rows=TRIED_ROWS), self._policy)

    def suggestions(self) -> list[dict[str, Any]]:
        """Return steps that help together, where no single one is enough, and the single ones that help most.

        Nothing where nobody is in the extract.
        """
        now = self.outline({})
        if now.k == 0 or is_within(now, self._policy):
            return []
        tried = self._tried({}, now)
        together = self._together(now, tried)
        found = ([together] if len(together[0]) > 1 else []) + [
            ({name: (step,)}, made) for name, step, made in _best_of_each(tried)[:MOST_SHOWN]
        ]
        return [_told(extra, now, made) for extra, made in found]

    def _tried(self, extra: Extra, now: Outline) -> list[Tried]:
        """Try each step on top of `extra`; return those that help, the most helpful first."""
        found = []
        for name, steps in self._steps.items():
            if name in extra:
                continue
            for step in steps:
                made = self.outline({**extra, name: (step,)})
                if score(now) - score(made) > LEAST_GAIN * score(now):
                    found.append((name, step, made))
                if is_within(made, self._policy):
                    break  # a coarser one is not needed
        return sorted(found, key=lambda one: (isinstance(one[1], Drop), score(one[2])))

    def _together(self, now: Outline, tried: Sequence[Tried]) -> tuple[Extra, Outline]:
        """Return steps that help most together, until few enough stand out or nothing more helps.

        The smallest class is not waited for: one last person alone would have all variables coarsened.
        """
        extra: dict[str, tuple[Transform, ...]] = {}
        made = now
        while tried and len(extra) < MOST_ROUNDS and not stands_well(made, self._policy):
            name, step, made = tried[0]
            extra[name] = (step,)
            tried = self._tried(extra, made)
        return extra, made


def _best_of_each(tried: Sequence[Tried]) -> list[Tried]:
    """Return the two most helpful steps of each variable; leaving it out only where nothing else helps."""
    found: list[Tried] = []
    for one in tried:
        same = [other for other in found if other[0] == one[0]]
        if len(same) < (1 if isinstance(one[1], Drop) else 2):
            found.append(one)
    return found


def _told(extra: Extra, now: Outline, made: Outline) -> dict[str, Any]:
    return {"extra": extra_documents(extra), "now": asdict(now), "then": asdict(made)}
