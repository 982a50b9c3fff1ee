"""What blocks say becomes an answer: right where the work is, and never outside the grid."""

import math
import struct

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from hvelv.privacy.adapters import block_host
from hvelv.privacy.adapters.block_calls import X86_64, known, program
from hvelv.privacy.domain.methods.block_vectors import GRID, MIDDLE
from hvelv.privacy.domain.methods.block_work import ESTIMATORS
from hvelv.privacy.service.releases import measured
from hvelv.privacy.service.sampling import BlockTask
from tests.builders_blocks import HereRunner, a_function, a_regression, an_engine
from tests.builders_models import NEARLY_NONE, a_cohort, a_cohort_file, a_method

MEAN = "def estimate(frame):\n    return [frame['age'].mean(), frame['bmi'].mean()]\n"


def answered(tmp_path, question, table, *, rho=NEARLY_NONE, runner=None):
    method = a_method(**question)
    path = a_cohort_file(tmp_path, table)
    return measured(method, method.doses(rho), rho, {"cohort": [path]}, an_engine(runner or HereRunner()))


def one(result, i=0):
    return result.rows[i]["values"]["value"], result.rows[i]["error95"]["value"]


def test_coefficients_of_blocks_agree_with_those_of_all_rows(tmp_path):
    table = a_cohort(20_000)
    work = a_regression()["work"] | {"params": {"C": 100}}
    result = answered(tmp_path, a_regression(spread=True, work=work), table, rho=10**13)
    x = np.column_stack([table["age"], table["smoker"]]).astype(float)
    direct = LogisticRegression(C=100).fit(x, table["ill"])
    for i, expected in enumerate([*direct.coef_[0], direct.intercept_[0]]):
        value, error = one(result, i)
        assert abs(value - expected) < 2 * error


def test_means_of_blocks_are_the_mean_and_the_spread_is_its_error(tmp_path):
    table = a_cohort(5_000)
    result = answered(tmp_path, a_function(MEAN, ("age", "bmi"), 2, spread=True), table, rho=10**13)
    value, error = one(result)
    true = table["age"].std() / math.sqrt(5_000)
    assert value == pytest.approx(table["age"].mean(), abs=3 * true)
    assert result.rows[0]["values"]["std_error"] == pytest.approx(true, rel=0.4)
    assert error == pytest.approx(1.96 * true, rel=0.4)


def test_the_error_covers_the_value_that_noise_moved(tmp_path):
    table, method = a_cohort(2_000), a_method(**a_function(MEAN, ("age", "bmi"), 2))
    ask = method.ask
    totals = ask.totals([struct.pack("<2d", 40, 27)] * 50)
    assert totals[-1] == [50]
    doses = method.doses(100_000)
    engine, inside = an_engine(HereRunner()), 0
    for _ in range(60):
        work = method.work(doses)
        next(work)
        try:
            work.send([engine.noise.draw(dose, part) for dose, part in zip(doses, totals, strict=True)])
        except StopIteration as done:
            value, error = one(done.value)
            inside += abs(value - 40) <= error
    assert inside >= 50
    del table


@pytest.mark.attack("DP14")
@pytest.mark.parametrize(
    "said",
    [
        None, b"", b"abc", struct.pack("<d", 1.0), struct.pack("<3d", 1, 2, 3), struct.pack("<2d", math.nan, 1),
        struct.pack("<2d", 1, math.inf), struct.pack("<2d", -math.inf, math.nan), b"\x00" * 64_000,
    ],
)  # fmt: skip
def test_whatever_is_no_vector_of_finite_numbers_counts_as_the_middle(said):
    ask = a_method(**a_function(MEAN, ("age", "bmi"), 2)).ask
    assert ask.placed(said) is None
    totals = ask.totals([said] * 50)
    assert totals == [[MIDDLE * 50] * 2, [0]]


@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324, -0.0, 100.0, 100.0000001, 99.9999999, -1e-300])
def test_every_finite_number_stands_on_the_grid(value):
    placed = a_method(**a_function(MEAN, ("age", "bmi"), 2)).ask.placed(struct.pack("<2d", value, 0))
    assert all(isinstance(place, int) and 0 <= place <= GRID for place in placed)


def test_an_answer_has_the_same_shape_whatever_the_blocks_said(tmp_path):
    table = a_cohort(200)
    silent = answered(
        tmp_path, a_function(MEAN, ("age", "bmi"), 2), table, runner=HereRunner(change=lambda _said: None)
    )
    spoken = answered(tmp_path, a_function(MEAN, ("age", "bmi"), 2), table)
    assert [row["key"] for row in silent.rows] == [row["key"] for row in spoken.rows]
    assert silent.tables.keys() == spoken.tables.keys()
    assert len(silent.notes) == len(spoken.notes)
    assert one(silent)[0] == pytest.approx(50, abs=1)
    assert abs(silent.tables["fit"]["rows"][0]["values"]["value"]) < 5


def test_another_number_of_blocks_than_was_said_is_no_answer():
    ask = a_method(**a_function(MEAN, ("age", "bmi"), 2)).ask
    with pytest.raises(ValueError, match="blocks"):
        ask.totals([None] * 49)


def test_a_function_sees_numbers_dates_and_codes_and_the_person_as_a_number(tmp_path):
    text = (
        "def estimate(frame):\n"
        "    assert list(frame['sex'].cat.categories) == ['f', 'm']\n"
        "    assert frame.index.name == 'person' and frame.index.min() == 0\n"
        "    assert str(frame['age'].dtype) == str(frame['smoker'].dtype) == 'float64'\n"
        "    return [(frame['sex'] == 'm').mean() * 100, frame['smoker'].isna().mean() * 100]\n"
    )
    table = a_cohort(1_000) | {"smoker": [None, True] * 500}
    result = answered(tmp_path, a_function(text, ("sex", "smoker", "age"), 2), table)
    assert one(result)[0] == pytest.approx(100 * np.mean(table["sex"] == "m"), abs=2)
    assert one(result, 1)[0] == pytest.approx(50, abs=2)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_of_the_list_gives_so_many_finite_numbers(name):
    known = ESTIMATORS[name]
    params = {"n_estimators": 5} if "n_estimators" in known.params else {}
    work = {"kind": "estimator", "name": name, "features": ["age", "smoker"], "target": "ill", "returns": known.returns}
    numbers = [{"low": -100, "high": 100}] * (2 if known.returns == "importances" else 3)
    ask = a_method(kind="blocks", work=work | {"params": params}, numbers=numbers).ask
    task = dict(ask.task)
    (said,) = HereRunner().run(BlockTask(task, len(numbers), 0.1), [block_host.some_raw(task["columns"])])
    assert ask.placed(said) is not None


def test_the_calls_that_a_block_may_make_name_no_file_process_or_socket():
    forbidden = {"open", "openat", "socket", "socketpair", "connect", "clone", "clone3", "fork", "vfork", "execve", "kill",
                 "tgkill", "ptrace", "prctl", "memfd_create", "shmget", "clock_gettime", "gettimeofday", "nanosleep", "madvise",
                 "mincore", "recvmsg", "sendmsg", "dup", "fcntl", "ioctl", "pipe2", "setitimer", "getrusage", "io_uring_setup"}  # fmt: skip
    assert not forbidden & set(X86_64)
    assert known("x86_64")
    assert not known("m68k")
    assert len(program("x86_64")) % 8 == 0
