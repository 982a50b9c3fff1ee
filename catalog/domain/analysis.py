"""Words of a text as the search sees them: small letters, letters and digits only, accents kept."""

import re

from hvelv.catalog.domain.dataset import Dataset
from hvelv.catalog.domain.variable import Variable

WORD = re.compile(r"\w{1,60}")  # one bounded class: linear time on any input
LONGEST_QUERY = 200
MOST_WORDS = 8
MOST_LABELS = 200
CONSONANTS = "bcdfghjklmnpqrstvwxz"


def words(text: str) -> list[str]:
    """Return the words of `text`, in order; `_` parts words, as in variable names."""
    return WORD.findall(text.casefold().replace("_", " "))


def settled(stem: str) -> str:
    """Return a stem without a doubled last consonant, so that `sykdommer` and `sykdom` meet."""
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] in CONSONANTS:  # noqa: PLR2004 - shorter ones are words
        return stem[:-1]
    return stem


def text_of_dataset(dataset: Dataset) -> str:
    """Return what a dataset is found by."""
    d = dataset.declaration
    parts = (d.title.nb, d.title.en, d.description.nb, d.description.en, d.table, dataset.holder.name, *d.keywords)
    return " ".join(parts)


def text_of_variable(variable: Variable) -> str:
    """Return what a variable is found by."""
    labels = [text for c in variable.categories[:MOST_LABELS] for text in (c.label.nb, c.label.en)]
    return " ".join((variable.name, variable.title.nb, variable.title.en, variable.unit or "", *labels))
