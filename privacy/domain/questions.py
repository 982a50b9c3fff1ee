"""All kinds of questions: which there are, how one is read, and the method that answers it. One table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.closed import MESSAGES, faults, field_names, plain_bytes
from hvelv.privacy.domain.measuring import Method
from hvelv.privacy.domain.methods import (
    blocks,
    clusters,
    contingency,
    distribution,
    moments,
    open_keys,
    pathways,
    rates,
    regression,
    regression_steps,
    survival,
    synthetic,
    tables,
)
from hvelv.privacy.domain.query import Query
from hvelv.privacy.domain.schema import Schema
from hvelv.privacy.domain.source import Asked


@dataclass(frozen=True)
class Kind:
    """One kind: the form of its questions, and what makes a method of one."""

    model: type[Asked]
    prepare: Callable[[Any, Mapping[str, Schema]], Method]


KINDS: Mapping[str, Kind] = {
    "table": Kind(Query, tables.prepare),
    "contingency": Kind(contingency.Contingency, contingency.prepare),
    "open": Kind(open_keys.Open, open_keys.prepare),
    "distribution": Kind(distribution.Distribution, distribution.prepare),
    "linear": Kind(regression.Linear, regression.prepare),
    "logistic": Kind(regression_steps.Logistic, regression_steps.prepare_logistic),
    "poisson": Kind(regression_steps.Poisson, regression_steps.prepare_poisson),
    "correlation": Kind(moments.Correlation, moments.prepare),
    "clusters": Kind(clusters.Clusters, clusters.prepare),
    "rates": Kind(rates.Rates, rates.prepare),
    "survival": Kind(survival.Survival, survival.prepare),
    "pathways": Kind(pathways.Pathways, pathways.prepare),
    "synthetic": Kind(synthetic.Synthetic, synthetic.prepare),
    "blocks": Kind(blocks.Blocks, blocks.prepare),
}
FIELDS = frozenset(name for kind in KINDS.values() for name in field_names(kind.model))


def query_from(document: object) -> Any:
    """Return the question in `document`. Raises `Invalid` with the field of each fault, never with its value."""
    raw = plain_bytes(document)
    named = document.get("kind", "table") if isinstance(document, dict) else "table"
    kind = KINDS.get(named) if isinstance(named, str) else None
    if kind is None:
        raise Invalid((Problem(MESSAGES["union_tag_invalid"], "kind"),), _("Spørringen kan ikke brukes slik den er."))
    try:
        return kind.model.model_validate_json(raw)
    except ValidationError as error:
        raise Invalid(faults(error, FIELDS), _("Spørringen kan ikke brukes slik den er.")) from None


def method_for(question: Asked, schemas: Mapping[str, Schema]) -> Method:
    """Return the method that answers `question` on the project's tables. Raises `Invalid`, `NotFound`."""
    return KINDS[question.kind].prepare(question, schemas)
