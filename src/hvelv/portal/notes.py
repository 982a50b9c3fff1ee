"""In which form a variable leaves, in sentences that a reader understands."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hvelv.privacy.domain.transforms import note, note_params, transforms_from

if TYPE_CHECKING:
    from hvelv.catalog.domain.forms import Step
    from hvelv.portal.i18n import Language
    from hvelv.privacy.domain.transforms import Transform

YEARS = 10_000  # smaller whole numbers are shown without separators: they may be years


def notes(lang: "Language", steps: "Sequence[Transform | Step | dict[str, Any]]") -> list[str]:
    """Return a disclosure note for each step, whether it comes as a step, as the catalogue keeps it, or as JSON."""
    return [lang.translate(note(step), _params(step)) for step in map(_step, steps)]


def _step(step: "Transform | Step | dict[str, Any]") -> "Transform":
    if isinstance(step, dict):
        return transforms_from([step])[0]
    as_dict = getattr(step, "as_dict", None)
    return transforms_from([as_dict()])[0] if as_dict else step  # type: ignore[return-value]


def _params(step: "Transform") -> dict[str, object]:
    return {name: _shown(value) for name, value in note_params(step).items()}


def _shown(value: object) -> object:
    return str(value) if isinstance(value, int) and abs(value) < YEARS else value
