"""Principal components of a correlation matrix: how large, and what columns they are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hvelv.privacy.domain.methods.correlating import within95
from hvelv.privacy.domain.methods.design import Floats


def decomposed(matrix: Floats) -> tuple[Floats, Floats]:
    """Return eigenvalues, largest first, and the loadings (column, component): the correlation of column and component."""
    values, vectors = np.linalg.eigh(matrix)
    values, vectors = np.maximum(values[..., ::-1], 0.0), vectors[..., ::-1]
    return values, vectors * np.sqrt(values)[..., None, :]


def components(names: Sequence[str], found: Floats, drawn: Floats, count: int, *, usable: bool) -> Mapping[str, Any]:
    """Return the tables `components` and `loadings`, with errors from simulated matrices.

    A component's sign is free: its largest loading is positive. Where components are of nearly the same size, they turn
    into one another from draw to draw, and the errors of the loadings say so.
    """
    values, loadings = decomposed(found)
    loadings = loadings * _signs(loadings)
    other_values, other_loadings = decomposed(drawn)
    agree = np.sign((other_loadings * loadings).sum(axis=-2, keepdims=True))
    errors = within95(np.where(agree == 0, 1.0, agree) * other_loadings - loadings)
    value_errors = within95(other_values - values)
    summed_errors = within95(np.cumsum(other_values - values, axis=-1)) / len(names)
    share = values / len(names)

    def shown(number: float) -> float | None:
        return float(number) if usable else None

    sizes = [
        {
            "key": [i + 1],
            "values": {
                "eigenvalue": shown(values[i]),
                "share": shown(share[i]),
                "cumulative": shown(share[: i + 1].sum()),
            },
            "error95": {
                "eigenvalue": shown(value_errors[i]),
                "share": shown(value_errors[i] / len(names)),
                "cumulative": shown(summed_errors[i]),
            },
        }
        for i in range(count)
    ]
    made = [
        {
            "key": [i + 1, name],
            "values": {"loading": shown(loadings[j, i])},
            "error95": {"loading": shown(errors[j, i])},
        }
        for i in range(count)
        for j, name in enumerate(names)
    ]
    return {
        "components": {"keys": ["component"], "rows": sizes},
        "loadings": {"keys": ["component", "column"], "rows": made},
    }


def _signs(loadings: Floats) -> Floats:
    largest = np.abs(loadings).argmax(axis=0)
    found: Floats = np.where(loadings[largest, np.arange(loadings.shape[1])] < 0, -1.0, 1.0)
    return found
