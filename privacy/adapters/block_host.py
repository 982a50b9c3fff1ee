"""Runs inside the walls, by the session environment's Python: a warm parent, and a fresh process for each block.

The parent imports the libraries once. For each block it is handed two descriptors, the block's rows and a pipe for its
answer, and forks; it never reads either, so that no memory which the next block inherits has held anybody's rows. The
child gives up the door to the custodian, takes its rows, gives up every system call but a few, and every clock, and only
then runs the work. It can reach no file, process or socket, and cannot make any, so that nothing is left of it but 8
bytes for each number. Nothing of ours can be imported here.
"""

import sys
import time
from typing import Any


def _no_time(*_args: object) -> int:
    """Stand in for every clock: in a block the real ones are refused, because time tells of other blocks."""
    return 0


class NoThreads:
    """Refuses pyarrow, which pandas would take if it is there: it starts a thread."""

    @staticmethod
    def find_spec(name: str, _path: Any = None, _target: Any = None) -> None:
        """Refuse the package; say nothing of others."""
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name)


if __name__ == "__main__":  # before anything is imported that keeps a clock for itself
    sys.meta_path.insert(0, NoThreads)
    for clock in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(time, clock, _no_time)
        setattr(time, f"{clock}_ns", _no_time)

import ctypes  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import mmap  # noqa: E402
import os  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import struct  # noqa: E402
import warnings  # noqa: E402
from importlib import import_module  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

Task = dict[str, Any]
Span = tuple[int, int]
ANSWER = 3
GIVEN = 2  # descriptors for each block
MOST_DESCRIPTORS = 1 << 16
PIECE = 1 << 22
PR_SET_SECCOMP, PR_SET_TSC, PR_SET_NO_NEW_PRIVS = 22, 26, 38
FILTER_MODE, TSC_ENDS_THE_PROCESS = 2, 2
NOUGHTS_HERE = 0x32  # MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
SOME_ROWS = 200
LOADED = (
    "bisect", "collections", "copy", "dataclasses", "datetime", "decimal", "fractions", "functools", "heapq", "itertools",
    "math", "operator", "random", "re", "statistics", "string", "typing", "numpy.fft", "numpy.linalg", "numpy.random",
    "scipy.cluster.hierarchy", "scipy.integrate", "scipy.interpolate", "scipy.linalg", "scipy.optimize", "scipy.signal",
    "scipy.sparse.linalg", "scipy.spatial", "scipy.special", "scipy.stats", "sklearn.calibration", "sklearn.cluster",
    "sklearn.compose", "sklearn.covariance", "sklearn.cross_decomposition", "sklearn.decomposition",
    "sklearn.discriminant_analysis", "sklearn.ensemble", "sklearn.gaussian_process", "sklearn.impute", "sklearn.inspection",
    "sklearn.isotonic", "sklearn.kernel_ridge", "sklearn.linear_model", "sklearn.manifold", "sklearn.metrics",
    "sklearn.mixture", "sklearn.model_selection", "sklearn.naive_bayes", "sklearn.neighbors", "sklearn.neural_network",
    "sklearn.pipeline", "sklearn.preprocessing", "sklearn.svm", "sklearn.tree",
)  # fmt: skip


class Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def numbers(part: bytes, _column: Task) -> Any:
    """Return a column of numbers; NaN is a missing one."""
    return np.frombuffer(part, "<f8").copy()


def days(part: bytes, _column: Task) -> Any:
    """Return a column of dates."""
    return np.frombuffer(part, "<i8").astype("datetime64[D]").astype("datetime64[s]")


def codes(part: bytes, column: Task) -> Any:
    """Return a column of public codes; -1 is a missing one."""
    return pd.Categorical.from_codes(np.frombuffer(part, "<i8").astype(np.int64), categories=column["codes"])


READ: dict[str, Any] = {"number": numbers, "date": days, "code": codes}


def frame_of(raw: bytes, columns: list[Task]) -> Any:
    """Return the block's rows. `raw`: for each column, and first for the person, 8 bytes for each row."""
    size = len(raw) // (1 + len(columns))
    person, *parts = [raw[size * i : size * (i + 1)] for i in range(1 + len(columns))]
    made = {column["name"]: READ[column["kind"]](part, column) for column, part in zip(columns, parts, strict=True)}
    return pd.DataFrame(made, index=pd.Index(np.frombuffer(person, "<i8"), name="person"))


def by_estimator(task: Task, frame: Any) -> Any:
    """Fit a scikit-learn estimator to the rows without missing values, and return what it found."""
    whole = frame.dropna()
    made = getattr(import_module(task["module"]), task["name"])(**task["params"])
    made.fit(whole[task["features"]].to_numpy(), whole[task["target"]].to_numpy())
    if task["returns"] == "importances":
        return made.feature_importances_
    found = np.ravel(made.coef_)
    return np.concatenate([found, np.ravel(made.intercept_)]) if task["intercept"] else found


def by_code(task: Task, frame: Any) -> Any:
    """Run somebody's function."""
    names: dict[str, Any] = {"__name__": "block", "np": np, "pd": pd}
    exec(compile(task["text"], "block", "exec"), names)  # noqa: S102 - this is what all the walls are for
    return names["estimate"](frame)


WORK: dict[str, Any] = {"estimator": by_estimator, "code": by_code}


def some_raw(columns: list[Task]) -> bytes:
    """Return made-up rows."""
    some = np.random.default_rng(0)
    made: list[Any] = [np.arange(SOME_ROWS)]
    for column in columns:
        if column["kind"] == "number":
            made.append(1.0 + (some.random(SOME_ROWS) > 1 / 2))  # two classes, and positive as some outcomes must be
        else:
            made.append(some.integers(0, len(column.get("codes", range(9000))), SOME_ROWS))
    return b"".join(part.tobytes() for part in made)


def warm_up(task: Task) -> None:
    """Load what the work will use: a block itself can open no file."""
    for module in (task["module"],) if task["kind"] == "estimator" else LOADED:
        import_module(module)
    frame = frame_of(some_raw(task["columns"]), task["columns"])
    if task["kind"] == "estimator":
        by_estimator(task, frame)
        return
    frame.describe()
    frame.groupby(level="person").first()
    pd.get_dummies(frame).corr(numeric_only=True)
    two = np.random.default_rng(0).normal(size=(SOME_ROWS, 2))
    for module, name in (("linear_model", "LogisticRegression"), ("ensemble", "RandomForestClassifier")):
        getattr(import_module(f"sklearn.{module}"), name)().fit(two, two[:, 0] > 0)


def all_of(descriptor: int) -> bytes:
    """Return everything in a file."""
    pieces = []
    while piece := os.read(descriptor, PIECE):
        pieces.append(piece)
    return b"".join(pieces)


def kernel_pages(processes: int) -> list[Span]:
    """Return where the kernel keeps its clock in this process's memory. `processes`: a descriptor of /proc."""
    maps = os.open("self/maps", os.O_RDONLY, dir_fd=processes)
    lines = [line.split() for line in all_of(maps).decode().splitlines()]
    os.close(maps)
    named = [line[0].split("-") for line in lines if line[-1].startswith("[vvar")]
    if not named:
        raise OSError("the kernel's clock was not found")
    return [(int(start, 16), int(end, 16) - int(start, 16)) for start, end in named]


def give_up(memory: int, program: bytes, clock: list[Span]) -> None:
    """Leave this process with some memory, a handful of system calls and no clock, for good.

    Clocks are a system call, the processor's counter, and pages that the kernel writes the time to in every process.
    Nought in these pages says that there is no clock to be read without a system call.
    """
    limits = (resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)
    for limit, most in limits:
        resource.setrlimit(limit, (most, most))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    for start, size in clock:
        place = ctypes.c_void_p(start), ctypes.c_size_t(size)
        if libc.mmap(*place, mmap.PROT_READ, NOUGHTS_HERE, -1, ctypes.c_long(0)) != start:
            os._exit(1)
    steps = Program(len(program) // 8, program)
    for call in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_TSC, TSC_ENDS_THE_PROCESS, 0, 0, 0),
        (PR_SET_SECCOMP, FILTER_MODE, ctypes.byref(steps), 0, 0),
    ):
        if libc.prctl(*call):
            os._exit(1)


def block(opening: Task, clock: list[Span], rows: int, answer: int) -> None:
    """Be one block: never returns, and says nothing but its numbers."""
    try:
        raw = all_of(rows)
        os.dup2(answer, ANSWER)
        os.closerange(ANSWER + 1, MOST_DESCRIPTORS)  # the door to the custodian among them
        np.random.seed()  # noqa: NPY002 - the one that scikit-learn and people use, which would be the same in all blocks
        give_up(opening["memory"], bytes.fromhex(opening["calls"]), clock)
        task = opening["task"]
        values = [float(value) for value in WORK[task["kind"]](task, frame_of(raw, task["columns"]))]
        os.write(ANSWER, struct.pack(f"<{len(values)}d", *values))
    except BaseException:  # noqa: BLE001 - whatever it is, a block that fails has nothing to say
        os._exit(1)
    os._exit(0)


def serve() -> None:
    """Take the work, get warm, and fork for each block until the door is shut."""
    inherited, told, processes = [int(number) for number in sys.argv[1:]]
    door = socket.socket(fileno=inherited)
    opening, clock = json.loads(all_of(told)), kernel_pages(processes)
    os.close(told)
    os.close(processes)
    warnings.simplefilter("ignore")
    warm_up(opening["task"])
    gc.collect()
    gc.freeze()
    door.send(b"warm")
    while True:
        _message, descriptors, _flags, _address = socket.recv_fds(door, 16, GIVEN)
        if len(descriptors) != GIVEN:
            return
        child = os.fork()
        if child == 0:
            door.detach()
            block(opening, clock, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        message = door.recv(16)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if not message:
            return
        door.send(b"gone")


if __name__ == "__main__":
    serve()
