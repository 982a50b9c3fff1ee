"""Norwegian identity numbers as data: eleven digits, and control digits that warn but never stop.

From 2032 the first control digit may leave a remainder of 0–3 (Skatteetaten), and a changed number is not proof of a
wrong one, so a failed control is for the steward to look at. D-numbers add 40 to the day; synthetic numbers add 80
(Tenor) or 40 (NAV) to the month.
"""

import numpy as np
import numpy.typing as npt

LENGTH = 11
FIRST = np.array([3, 7, 6, 1, 8, 9, 4, 5, 2, 1], dtype=np.int64)
SECOND = np.array([5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1], dtype=np.int64)
REMAINDERS = (0, 1, 2, 3)


def control_digits_hold(digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Say for each row of `digits` (shape n x 11, values 0–9) whether both control digits hold by the 2032 rule."""
    wide = digits.astype(np.int64)
    first = np.isin(wide[:, :10] @ FIRST % 11, REMAINDERS)
    second = wide @ SECOND % 11 == 0
    return np.asarray(first & second)


def date_holds(digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Say for each row whether day and month can be, with what D-numbers and synthetic numbers add."""
    wide = digits.astype(np.int64)
    day = wide[:, 0] * 10 + wide[:, 1]
    month = wide[:, 2] * 10 + wide[:, 3]
    day = np.where(day > 40, day - 40, day)  # noqa: PLR2004 - what a D-number adds
    for added in (80, 65, 40):
        month = np.where((month > added) & (month <= added + 12), month - added, month)
    return np.asarray((day >= 1) & (day <= 31) & (month >= 1) & (month <= 12))  # noqa: PLR2004 - the calendar
