"""What can be done to each block of persons: a scikit-learn estimator from a list, or a function in Python.

The function's text is run behind walls and nowhere else (docs/privacy/sample-and-aggregate.md); here it is a text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Union

from pydantic import Field, StringConstraints

from hvelv.kernel.errors import _
from hvelv.privacy.domain.checking import Checker, Plain
from hvelv.privacy.domain.closed import Closed, Code, Name

LONGEST_CODE = 20_000  # bytes
MOST_COLUMNS = 20
TWO_DIGITS = 2

Parameter = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,30}$")]
Columns = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST_COLUMNS)]


class ByEstimator(Closed):
    """Fit an estimator to the rows that miss nothing; booleans are 0 and 1. The answer is what `returns` says."""

    kind: Literal["estimator"]
    name: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]{1,40}$")]
    params: Annotated[dict[Parameter, Code], Field(max_length=12, default_factory=dict)]
    features: Columns
    target: Name
    returns: Literal["coefficients", "importances"] = "coefficients"


class ByCode(Closed):
    """Run `estimate(frame)` of a Python text on a frame with `columns`; it returns a list of numbers, y1, y2 and so on."""

    kind: Literal["code"]
    columns: Columns
    text: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_CODE)]


Work = Annotated[Union[ByEstimator, ByCode], Field(discriminator="kind")]  # noqa: UP007 - pydantic's discriminator


@dataclass(frozen=True)
class Span:
    """A number that an estimator can be given, from `low` to `high`."""

    low: float
    high: float
    whole: bool = False

    def has(self, value: Plain) -> bool:
        """Say whether `value` is such a number, and one of few digits."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return few(value) and not (self.whole and isinstance(value, float))


@dataclass(frozen=True)
class Choice:
    """One of some plain values."""

    values: tuple[Plain, ...]

    def has(self, value: Plain) -> bool:
        """Say whether `value` is one of them, and of their type: 1 is not True."""
        return any(value == known and type(value) is type(known) for known in self.values)


@dataclass(frozen=True)
class Estimator:
    """A class of scikit-learn: its module, and what it can be given."""

    module: str
    params: Mapping[str, Span | Choice]
    returns: Literal["coefficients", "importances"] = "coefficients"


Params = dict[str, Span | Choice]
YES_OR_NO = Choice((False, True))
FITTED: Params = {
    "fit_intercept": YES_OR_NO, "max_iter": Span(1, 100_000, whole=True), "tol": Span(1e-9, 1),
}  # fmt: skip
ALPHA: Params = {"alpha": Span(0, 1e6)}
BALANCED: Params = {"class_weight": Choice(("balanced",))}
STRENGTH: Params = {"C": Span(1e-6, 1e6)}
TREE: Params = {
    "max_depth": Span(1, 30, whole=True),
    "min_samples_leaf": Span(1, 1000, whole=True),
}
FOREST: Params = TREE | {"n_estimators": Span(1, 500, whole=True)}
BOOSTING: Params = FOREST | {"learning_rate": Span(1e-4, 1), "subsample": Span(0.1, 1)}
LINEAR, ENSEMBLE = "sklearn.linear_model", "sklearn.ensemble"
ESTIMATORS: Mapping[str, Estimator] = {
    "LinearRegression": Estimator(LINEAR, {"fit_intercept": YES_OR_NO, "positive": YES_OR_NO}),
    "Ridge": Estimator(LINEAR, FITTED | ALPHA | {"positive": YES_OR_NO}),
    "Lasso": Estimator(LINEAR, FITTED | ALPHA | {"positive": YES_OR_NO}),
    "ElasticNet": Estimator(LINEAR, FITTED | ALPHA | {"l1_ratio": Span(0, 1)}),
    "BayesianRidge": Estimator(LINEAR, FITTED),
    "HuberRegressor": Estimator(LINEAR, FITTED | ALPHA | {"epsilon": Span(1, 100)}),
    "QuantileRegressor": Estimator(LINEAR, ALPHA | {"fit_intercept": YES_OR_NO, "quantile": Span(0.01, 0.99)}),
    "PoissonRegressor": Estimator(LINEAR, FITTED | ALPHA),
    "GammaRegressor": Estimator(LINEAR, FITTED | ALPHA),
    "TweedieRegressor": Estimator(LINEAR, FITTED | ALPHA | {"power": Span(0, 3)}),
    "LogisticRegression": Estimator(LINEAR, FITTED | STRENGTH | BALANCED),
    "RidgeClassifier": Estimator(LINEAR, FITTED | ALPHA | BALANCED),
    "LinearSVC": Estimator("sklearn.svm", FITTED | STRENGTH | BALANCED),
    "LinearSVR": Estimator("sklearn.svm", FITTED | STRENGTH | {"epsilon": Span(0, 1e6)}),
    "LinearDiscriminantAnalysis": Estimator("sklearn.discriminant_analysis", {}),
    "DecisionTreeClassifier": Estimator("sklearn.tree", TREE | BALANCED, "importances"),
    "DecisionTreeRegressor": Estimator("sklearn.tree", TREE, "importances"),
    "RandomForestClassifier": Estimator(ENSEMBLE, FOREST | BALANCED, "importances"),
    "RandomForestRegressor": Estimator(ENSEMBLE, FOREST, "importances"),
    "ExtraTreesClassifier": Estimator(ENSEMBLE, FOREST | BALANCED, "importances"),
    "ExtraTreesRegressor": Estimator(ENSEMBLE, FOREST, "importances"),
    "GradientBoostingClassifier": Estimator(ENSEMBLE, BOOSTING, "importances"),
    "GradientBoostingRegressor": Estimator(ENSEMBLE, BOOSTING, "importances"),
}


def few(number: float) -> bool:
    """Say whether a number has two digits at most, noughts before and after not counted."""
    digits = f"{abs(number):.17g}" if isinstance(number, int) else repr(abs(number))
    return len(digits.lower().partition("e")[0].replace(".", "").strip("0")) <= TWO_DIGITS


def has_intercept(work: ByEstimator) -> bool:
    """Say whether the answer ends with an intercept."""
    return work.returns == "coefficients" and work.params.get("fit_intercept", True) is True


def check_estimator(work: ByEstimator, checker: Checker) -> None:
    """Note what is wrong with an estimator and what it is given."""
    known = ESTIMATORS.get(work.name)
    if known is None:
        checker.fault("work.name", _("Det finnes ingen slik metode her. Se listen, eller skriv den som kode."))
        return
    if known.returns != work.returns:
        checker.fault("work.returns", _("Denne metoden kan ikke svare med dette."))
    for name, value in work.params.items():
        allowed = known.params.get(name)
        if allowed is None:
            checker.fault("work.params", _("Metoden kan ikke gis denne innstillingen her."))
        elif isinstance(value, tuple) or not allowed.has(value):
            checker.fault("work.params", _("En innstilling har en verdi som ikke kan brukes; tall kan ha to sifre."))
    if work.target in work.features or len(set(work.features)) != len(work.features):
        checker.fault("work.features", _("To variabler har samme navn."))


def check_code(work: ByCode, checker: Checker) -> None:
    """Note what can be seen to be wrong with a function without running it."""
    if len(work.text.encode()) > LONGEST_CODE:
        checker.fault("work.text", _("Koden er for lang."))
    if "def estimate(" not in work.text:
        checker.fault("work.text", _("Koden må ha en funksjon «estimate(frame)»."))
    if len(set(work.columns)) != len(work.columns):
        checker.fault("work.columns", _("To variabler har samme navn."))
