"""How useful answers are at epsilon 1, beside what statsmodels, numpy and plain Polars say of the same rows.

    make utility                 writes docs/privacy/utility.md

Each answer is bought with all of epsilon 1 (at delta 1e-6), through the road that a release takes from files to answer.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from utility_data import Study, nafld, sample_population
from utility_questions import QUESTIONS, Label, Question

from hvelv.privacy.adapters.aggregate import StreamingAggregator
from hvelv.privacy.adapters.noise import OpenDPNoise
from hvelv.privacy.domain.methods.design import NO_LEVEL
from hvelv.privacy.domain.questions import method_for, query_from
from hvelv.privacy.service.releases import measured

REPO = Path(__file__).parents[1]
OUT = REPO / "docs" / "privacy" / "utility.md"
EPSILON, DELTA = 1.0, 1e-6
NO_NOISE = 10**9  # micro-rho, at which noise is nothing: what is left is the method
NOISE = OpenDPNoise()
ENGINE: Any = SimpleNamespace(aggregator=StreamingAggregator(), noise=NOISE)
USEFUL, CAREFUL = (1.0, 0.02), (3.0, 0.10)  # times its chance, or of the value itself
HALF, MANY, NOTHING = 0.5, 1000, 1e-9
MOST = 6  # lines of a question that has many groups: those with most, and least, chance


@dataclass(frozen=True)
class Line:
    """One number: without noise, its chance, and what answers with noise were off and said that they might be."""

    label: Label
    exact: float
    chance: float
    alone: float | None
    off: float | None
    told: float | None
    held: float | None
    missing: float
    is_share: bool

    @property
    def verdict(self) -> str:
        """Say whether the number is of use."""
        if self.off is None or self.missing > HALF:
            return f"**no**: no value in {self.missing:.0%}"
        size = min(self.exact, 1 - self.exact) if self.is_share else abs(self.exact)
        for word, (chances, share) in (("yes", USEFUL), ("with care", CAREFUL)):
            if self.off <= chances * self.chance or self.off <= share * size:
                return word if not self.missing else f"{word}; no value in {self.missing:.0%}"
        return "**no**"


Titled = list[tuple[str, list[Line]]]


def price() -> int:
    """Return the highest price in micro-rho, of two digits, that is within epsilon 1."""
    return max(rho for rho in range(10_000, 100_000, 1_000) if NOISE.epsilon(rho, DELTA) <= EPSILON)


def compared(study: Study, path: Path, question: Question, rho_micro: int, runs: int) -> list[Line]:
    """Return a line for each number of a question's answer."""
    document = {"dataset": study.name} | dict(question.document)
    method = method_for(query_from(document), {study.name: study.schema})
    exact, doses = question.exact(study.frame), method.doses(rho_micro)
    sources = {study.name: [path]}
    alone = question.told(measured(method, method.doses(NO_NOISE), NO_NOISE, sources, ENGINE))
    answers = [question.told(measured(method, doses, rho_micro, sources, ENGINE)) for _run in range(runs)]
    is_share = question.value == "survival"
    return [
        line_of(label, exact[label], alone[label][0], [answer[label] for answer in answers], is_share=is_share)
        for label in exact
    ]


def line_of(
    label: Label,
    without: tuple[float, float],
    alone: float | None,
    told: Sequence[tuple[float | None, float | None]],
    *,
    is_share: bool,
) -> Line:
    """Return the line of one number."""
    exact, chance = without
    known = [(value, error) for value, error in told if value is not None]
    off = [abs(value - exact) for value, _error in known]
    errors = [error for _value, error in known if error is not None]
    held = [abs(value - exact) <= error for value, error in known if error is not None]
    return Line(
        label=label,
        exact=exact,
        chance=chance,
        alone=None if alone is None else abs(alone - exact),
        off=statistics.mean(off) if off else None,
        told=statistics.median(errors) if errors else None,
        held=statistics.mean(held) if held else None,
        missing=1 - len(known) / len(told),
        is_share=is_share,
    )


def chosen(lines: list[Line]) -> list[Line]:
    """Return the lines that are shown: of many groups some, from the smallest to the largest, in their own order."""
    if len(lines) <= MOST:
        return lines
    by_size = sorted(range(len(lines)), key=lambda i: lines[i].exact)
    places = {by_size[round(i * (len(lines) - 1) / (MOST - 1))] for i in range(MOST)}
    return [lines[i] for i in sorted(places)]


def shown(number: float | None) -> str:
    """Return a number in three digits, or four where it is large."""
    if number is None:
        return "–"
    if abs(number) < NOTHING:
        return "0"
    return f"{number:,.0f}" if abs(number) >= MANY else f"{number:.3g}"


def table(titled: Titled) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield "| question | number | without noise | chance (s.e.) | method alone | off by, mean | told error95 | held | useful |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for title, lines in titled:
        for i, line in enumerate(chosen(lines)):
            label = " ".join(str(part) for part in line.label if part != NO_LEVEL)
            held = "–" if line.held is None else f"{line.held:.0%}"
            cells = (
                title if not i else "", label, shown(line.exact), shown(line.chance), shown(line.alone), shown(line.off), shown(line.told),
                held, line.verdict,
            )  # fmt: skip
            yield f"| {' | '.join(cells)} |"


def summed(titled: Titled, cheap: Titled) -> Iterator[str]:
    """Yield how many numbers of each question are of use, all groups counted, at the price and at a tenth of it."""
    yield "| question | numbers | held | useful | with care | not | at a tenth: held | useful | with care | not |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for (title, lines), (_same, fewer) in zip(titled, cheap, strict=True):
        yield f"| {title} | {len(lines)} | {' | '.join(str(n) for n in (*words_of(lines), *words_of(fewer)))} |"


def words_of(lines: Sequence[Line]) -> tuple[str, int, int, int]:
    """Return how often the numbers were within what was told, and how many are useful, with care, and not."""
    words = [line.verdict for line in lines]
    useful, careful = sum(w.startswith("yes") for w in words), sum(w.startswith("with care") for w in words)
    held = [line.held for line in lines if line.held is not None]
    return f"{statistics.mean(held):.0%}" if held else "–", useful, careful, len(words) - useful - careful


HEAD = """# How useful answers are at epsilon 1

Made by `make utility` on {date}, with hvelv {hvelv} ({commit}), opendp {opendp} and statsmodels {statsmodels}; {runs} answers to each
question. Do not edit: it is written anew.

**Each question is bought with all of epsilon 1** (at delta 10⁻⁶; {rho} micro-rho).

* *without noise*: what statsmodels, numpy or plain Polars say of the same rows.
* *chance*: its standard error for being about these people and not others. No platform can take it away.
* *method alone*: how far an answer next to without noise is from that: bins, intervals of time, clamping.
* *off by*: how far answers at this price were from the number without noise, on average: noise and method together.
* *told error95*: what answers say that they may be off by in 95 of 100 cases (their median). Coefficients, curves and rates
  count chance in it, counts and quantiles do not.
* *held*: how often the number without noise was within it. {few}
  Quantiles of whole numbers are read as ages are: 39.7 is 39.
* *useful*: **yes** when answers are off by no more than the chance, or 2 % of the number (of a survival, of what is
  left to one if that is less); *with care* up to three times
  the chance, or 10 %; otherwise **no**. Where most answers have no value at all, it says so.

Of questions with many groups {most} are shown, from the smallest number to the largest. The second table of each part counts
all of them, and has beside it the same questions at a tenth of the price ({cheap} micro-rho): ten of them cost what one costs
in the first table. There noise is about three times as large.
"""
FEW = "With {runs} answers 80 % is well within what chance makes of 95 %."


def written(studies: Sequence[tuple[Study, Titled, Titled]], rho_micro: int, runs: int, out: Path) -> None:
    """Write the page."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPO, capture_output=True, text=True, check=False
    ).stdout.strip()
    parts = [
        HEAD.format(
            date=f"{datetime.now(UTC):%Y-%m-%d}", hvelv=version("hvelv"), commit=commit or "no commit", opendp=version("opendp"),
            statsmodels=version("statsmodels"), runs=runs, rho=f"{rho_micro:,}", cheap=f"{rho_micro // 10:,}", most=MOST, few=FEW.format(runs=runs),
        )
    ]  # fmt: skip
    for study, titled, cheap in studies:
        parts += [f"## {study.title}, {len(study.frame):,} persons\n", *table(titled), "", *summed(titled, cheap), ""]
    parts.append(WORDS.read_text())
    out.write_text("\n".join(parts))


WORDS = Path(__file__).with_name("utility_words.md")


def main() -> None:
    """Ask everything of both tables, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--population", type=Path, help="a folder of `hvelv sample population`; made if not given")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    rho_micro = price()
    done = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for study in (sample_population(given.population or folder / "population"), nafld()):
            path = study.written(folder)
            titled, cheap = (
                [(one.title, compared(study, path, one, paid, given.runs)) for one in QUESTIONS[study.name]]
                for paid in (rho_micro, rho_micro // 10)
            )
            done.append((study, titled, cheap))
            print(f"{study.name} is done", file=sys.stderr, flush=True)
    written(done, rho_micro, given.runs, given.out)


if __name__ == "__main__":
    main()
