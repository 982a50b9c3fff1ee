"""What cannot be asked about rates, survival and pathways: decided from the question and the public schema alone."""

import pytest

from hvelv.kernel.errors import Invalid
from tests.builders_rates import CURVE, GOOD, PATHS, RATE, STEPS, WEIGHTS, a_method

REFUSED = {
    "neither events nor time": (RATE | {"events": None}, "events"),
    "events of text": (RATE | {"events": "code"}, "events"),
    "events that are decimals": (RATE | {"events": "score"}, "events"),
    "time that can be negative": (RATE | {"time": "score"}, "time.column"),
    "time of no known unit": (RATE | {"time": "visits", "over": "years"}, "over"),
    "time clamped off the grid": (RATE | {"time": "followed", "time_high": 777}, "time.high"),
    "an axis that is not grouped by": (RATE | {"standard": {"column": "code", "weights": [1, 1]}}, "standard.column"),
    "a population for codes": (RATE | {"standard": {"column": "sex", "population": "esp2013"}}, "standard.column"),
    "a population for ages between its bands": (
        RATE
        | {"by": [{"column": "age", "edges": [0, 18, 36]}], "standard": {"column": "age", "population": "esp2013"}},
        "standard.column",
    ),
    "both weights and a name": (
        RATE | {"standard": {"column": "age", "population": "esp2013", "weights": WEIGHTS}},
        "standard.population",
    ),
    "neither weights nor a name": (RATE | {"standard": {"column": "age"}}, "standard.population"),
    "too few weights": (RATE | {"standard": {"column": "age", "weights": WEIGHTS[1:]}}, "standard.column"),
    "weights that say much": (
        RATE | {"standard": {"column": "age", "weights": [*WEIGHTS[1:], 123]}},
        "standard.weights",
    ),
    "no weight at all": (RATE | {"standard": {"column": "age", "weights": [0] * 5}}, "standard.column"),
    "an unknown population": (RATE | {"standard": {"column": "age", "population": "mars"}}, "standard.population"),
    "a reference that is no code": (RATE | {"compare": {"column": "sex", "reference": "x"}}, "compare.reference"),
    "a comparison over the standard": (
        RATE
        | {"standard": {"column": "age", "weights": WEIGHTS}, "compare": {"column": "age", "reference": "[0, 20)"}},
        "compare.column",
    ),
    "a rate per seven": (RATE | {"per": 7}, "per"),
    "an event that is no truth value": (CURVE | {"event": "visits"}, "event"),
    "time that is text": (CURVE | {"time": "code"}, "time"),
    "time from below nought": (CURVE | {"time": "score", "width": 1, "intervals": 5}, "time"),
    "a horizon beyond the bounds": (CURVE | {"intervals": 21}, "time"),
    "an interval that says much": (CURVE | {"width": 123}, "width"),
    "several rows of a person": (CURVE | {"max_rows": 2}, "max_rows"),
    "curves by what they are of": (CURVE | {"by": ["sick"]}, "by"),
    "pathways of rows as they stand": ({"kind": "pathways"}, "of"),
    "pathways of people": (
        {"kind": "pathways", "of": {"kind": "people", "columns": [{"kind": "any", "name": "x1"}]}},
        "of",
    ),
    "times of paths": (PATHS | {"bins": [0, 90]}, "bins"),
    "times in odd bins": (STEPS | {"bins": [0, 10, 90]}, "bins.edges"),
    "a rank of steps": (STEPS | {"top": 5}, "top"),
    "several paths of a person": (PATHS | {"max_rows": 2}, "max_rows"),
    "steps of days": (STEPS | {"by": ["days"]}, "by.0"),
    "a column that is gone": (STEPS | {"by": ["sex"]}, "by.0"),
}


@pytest.mark.parametrize("question", GOOD.values(), ids=GOOD.keys())
def test_what_fits_has_a_price_known_beforehand(question):
    method = a_method(**question)
    doses = method.doses(1_000)

    assert sum(dose.rho_micro for dose in doses) == 1_000
    assert all(measure["error95"] is None or measure["error95"] > 0 for measure in method.expected(doses))
    assert method.cells >= 1
    assert method.summary.startswith("patients: ")
    assert all(warning["message"] for warning in method.warnings())


@pytest.mark.parametrize(("question", "field"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_fit_is_refused_with_the_field_that_is_wrong(question, field):
    with pytest.raises(Invalid) as refusal:
        a_method(**question)

    assert any(problem.field.startswith(field) for problem in refusal.value.problems)


@pytest.mark.parametrize("question", [GOOD["counts over years"], GOOD["steps with times"]])
def test_a_price_that_cannot_be_shared_is_refused(question):
    with pytest.raises(ValueError, match="micro-rho"):
        a_method(**question).doses(1)
