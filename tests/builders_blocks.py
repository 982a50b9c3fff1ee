"""Work on blocks of persons: the walls for real, and a runner without walls or time for what needs none."""

import os
import struct
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from hvelv.privacy.adapters import block_host
from hvelv.privacy.adapters.aggregate import StreamingAggregator
from hvelv.privacy.adapters.block_sandbox import BlockSandbox
from hvelv.privacy.adapters.blocks import SamplingAggregator
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.service.sampling import BlockTask

ENVIRONMENT = Path(__file__).parents[1] / "build" / "session-env"
UID = 190_009


def need_walls(tmp_path: Path) -> BlockSandbox:
    """Return the real thing; skip where there is none to be had."""
    sandbox = BlockSandbox(ENVIRONMENT, UID, tmp_path / "blocks.lock")
    if not sandbox.possible:
        pytest.skip("needs bubblewrap and the session environment: run scripts/session_environment.sh")
    return sandbox


@dataclass
class HereRunner:
    """Runs a task in the test's own process: for tasks that are ours. Keeps what each block was given."""

    given: list[bytes] = field(default_factory=list)
    change: Callable[[bytes | None], bytes | None] = lambda said: said
    possible: bool = True

    def run(self, task: BlockTask, blocks: Iterable[bytes]) -> Iterator[bytes | None]:
        """Yield what each block said."""
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as the host does
            for raw in blocks:
                self.given.append(raw)
                yield self.change(self._one(task.document, raw))

    @staticmethod
    def _one(task: dict[str, Any], raw: bytes) -> bytes | None:
        try:
            found = block_host.WORK[task["kind"]](task, block_host.frame_of(raw, task["columns"]))
            return struct.pack(f"<{len(found)}d", *found)
        except Exception:  # noqa: BLE001 - as the host does
            return None


def an_engine(runner: Any) -> Any:
    """Return what a release is made with, as far as measuring goes."""
    return SimpleNamespace(aggregator=SamplingAggregator(StreamingAggregator(), runner), noise=OpenDPNoise())


def a_function(text: str, columns: tuple[str, ...] = ("age",), numbers: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a question about the cohort with a function of its own."""
    given = {
        "kind": "blocks",
        "work": {"kind": "code", "columns": list(columns), "text": text},
        "numbers": [{"low": 0, "high": 100}] * numbers,
        "blocks": 50,
        "slot_ms": 250,
    }
    return given | changes


def a_regression(**changes: Any) -> dict[str, Any]:
    """Return a question about the cohort with an estimator."""
    given = {
        "kind": "blocks",
        "work": {"kind": "estimator", "name": "LogisticRegression", "features": ["age", "smoker"], "target": "ill"},
        "numbers": [{"low": -1, "high": 1}, {"low": -5, "high": 5}, {"low": -10, "high": 10}],
        "blocks": 50,
    }
    return given | changes


@dataclass(frozen=True)
class Trial:
    """Somebody's function in front of the real walls: what each of some blocks said."""

    sandbox: BlockSandbox
    seconds: float = 0.4

    def said(self, text: str, blocks: list[list[float]], numbers: int = 1) -> list[tuple[float, ...] | None]:
        """Return each block's numbers; `blocks` are the values of a column `a`, with a row for each."""
        document = {"kind": "code", "text": text, "columns": [{"name": "a", "kind": "number"}]}
        task = BlockTask(document, numbers, self.seconds)
        raw = [struct.pack(f"<{len(b)}q{len(b)}d", *range(len(b)), *b) for b in blocks]
        found = self.sandbox.run(task, raw)
        return [None if said is None else struct.unpack(f"<{numbers}d", said) for said in found]


def is_root() -> bool:
    """Say whether the tests run as root."""
    return os.geteuid() == 0
