"""The examples in docs/privacy/asking.md: each stands there in Python, SQL and JSON, and is one question."""

import json
import re
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression

from hvelv.enclave import lab
from hvelv.privacy.domain.questions import KINDS, query_from
from hvelv.privacy.domain.sql import question_in

PAGE = (Path(__file__).parents[2] / "docs/privacy/asking.md").read_text()
EXAMPLES = PAGE.partition("<!-- examples")[2].partition("<!-- end of examples -->")[0]
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", EXAMPLES, re.DOTALL)
TRIPLES = [tuple(text for _language, text in BLOCKS[i : i + 3]) for i in range(0, len(BLOCKS), 3)]


class Project:
    """Begins questions, and needs no platform for it."""

    def query(self, table):
        return lab.Query(lab.Door(), table)


ROOM = {name: getattr(lab, name) for name in lab.__all__} | {
    "project": Project(),
    "LogisticRegression": LogisticRegression,
}


def test_every_example_stands_in_three_languages():
    assert [language for language, _text in BLOCKS] == ["python", "sql", "json"] * len(TRIPLES)


@pytest.mark.parametrize("triple", TRIPLES, ids=[" ".join(sql.split())[:50] for _python, sql, _json in TRIPLES])
def test_three_doors_lead_to_the_same_question(triple):
    python, sql, document = triple
    expected = query_from(json.loads(document)).hash

    assert query_from(eval(python.strip(), dict(ROOM)).as_dict()).hash == expected  # noqa: S307 - our own page
    assert query_from(question_in(sql, KINDS).document).hash == expected


def test_every_kind_has_an_example():
    assert {json.loads(text)["kind"] for language, text in BLOCKS if language == "json"} == set(KINDS)
