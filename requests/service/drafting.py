"""Filling in what an applicant need not type: the data wanted, completed from the catalogue."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from hvelv.catalog.domain.dataset import Dataset
from hvelv.catalog.service.selections import Selected
from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.kernel.ids import DatasetId
from hvelv.requests.domain.completeness import MOST_MEMBERS, MOST_WISHES
from hvelv.requests.domain.draft import MOST_FILTERS, Draft, Wish

LONGEST_TEXT = 20_000  # characters of any one answer that a draft will hold
TEXTS = ("title", "purpose", "legal_basis", "summary", "period_from", "period_to")


def completed(draft: Draft, datasets: Mapping[DatasetId, Dataset]) -> Draft:
    """Return the draft with holder, table and current version of each dataset, and columns in the order declared."""
    return replace(draft, wishes=tuple(_completed(w, datasets.get(w.dataset)) for w in draft.wishes))


def _completed(wish: Wish, dataset: Dataset | None) -> Wish:
    if dataset is None:
        return wish
    order = {name: place for place, name in enumerate(dataset.declaration.names)}
    columns = tuple(sorted(dict.fromkeys(wish.columns), key=lambda name: order.get(name, len(order))))
    return replace(
        wish,
        holder=dataset.holder.id,
        table=dataset.table,
        version=dataset.current.content_hash,
        columns=columns,
    )


def with_selection(draft: Draft, selected: Iterable[Selected]) -> Draft:
    """Return the draft with the picked variables among the data wanted; what is there stays."""
    wishes = {w.dataset: w for w in draft.wishes}
    for one in selected:
        names = tuple(v.name for v in one.variables)
        dataset = one.dataset
        known = wishes.get(dataset.id) or Wish(
            dataset.id, dataset.holder.id, dataset.table, dataset.current.content_hash, ()
        )
        wishes[dataset.id] = replace(known, columns=(*known.columns, *names))
    return replace(draft, wishes=tuple(wishes.values()))


def within_limits(draft: Draft) -> None:
    """Refuse a draft too large to keep. Raises `Invalid`; anything smaller is kept, right or wrong."""
    said = _("Teksten er lengre enn {most} tegn.")
    problems = [
        Problem(said, name, params={"most": LONGEST_TEXT}) for name in TEXTS if len(getattr(draft, name)) > LONGEST_TEXT
    ]
    if len(draft.members) > 2 * MOST_MEMBERS or any(len(m) > LONGEST_TEXT for m in draft.members):
        problems.append(Problem(_("Listen er for lang."), "members"))
    if len(draft.wishes) > 2 * MOST_WISHES or any(len(w.where) > 2 * MOST_FILTERS for w in draft.wishes):
        problems.append(Problem(_("Listen er for lang."), "wishes"))
    if problems:
        raise Invalid(tuple(problems))
