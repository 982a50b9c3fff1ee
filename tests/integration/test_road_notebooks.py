"""The worked examples in a real session: sandbox, gateway, custodian, and blocks behind walls."""

import json

import pytest

from hvelv.operation.demo import Walk
from hvelv.operation.jupyter import Room
from tests.builders_notebooks import NOTEBOOKS

EXAMPLES = sorted(path.name for path in NOTEBOOKS.glob("0[2-9]-*.ipynb"))
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.parametrize("road", ["sqlite"], indirect=True),
]


def test_every_worked_example_runs_in_a_session_and_shows_pictures(road):
    walk = Walk(road.settings, road.notes, lambda _line: None)
    try:
        room = Room(walk.visitor("kari").client, road.settings.hub_url, "kari", road.notes.project)
        pictures = {name: _pictures(room, name) for name in EXAMPLES}
    finally:
        walk.leave()
    assert all(pictures.values()), pictures


def _pictures(room, name):
    """Run a notebook and return how many pictures its cells show."""
    done = room.run(name, json.loads((NOTEBOOKS / name).read_text()), lambda _line: None)
    shown = [output.get("data", {}) for cell in done["cells"] for output in cell.get("outputs", ())]
    return sum("image/png" in data for data in shown)
