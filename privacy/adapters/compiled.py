"""Loops over rows, compiled to machine code. They hold no lock, so that threads run beside each other."""

from collections.abc import Callable
from typing import Any, cast

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` at its first call, keeping the machine code on disk where there is a place for it."""
    try:
        return cast("Callable[..., Any]", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no folder that this process may write to
        return cast("Callable[..., Any]", numba.njit(nogil=True)(function))
