"""What the panel is told: three questions, whatever was asked, and each refusal with its way out."""

import json
import re
from pathlib import Path

import pytest

from hvelv.enclave.adapters.sandbox import SESSION_FILES
from hvelv.enclave.lab import panel
from hvelv.enclave.lab.door import Refused

EXTENSION = SESSION_FILES / "labextensions" / "hvelv-panel"
STATIC = EXTENSION / "static"
NO = Refused("Nei.", remedy="Spør igjen.", code="denied")


class Answering:
    """A door that keeps what it was asked, and refuses some of it."""

    def __init__(self, *refused):
        self.asked, self.refused = [], refused

    def get(self, path):
        self.asked.append(path)
        if path in self.refused:
            raise NO
        return {"from": path}


def test_three_questions_are_read_and_nothing_is_sent():
    door = Answering()
    state = panel.gathered(door)
    assert door.asked == ["/lab/project", "/lab/releases", "/lab/exports"]
    assert state == {"refusals": {}} | {part: {"from": path} for part, path in panel.PARTS.items()}


def test_one_refused_part_leaves_the_others_and_says_what_to_do():
    state = panel.gathered(Answering("/lab/releases"))
    assert state["refusals"] == {"releases": {"reason": "Nei.", "remedy": "Spør igjen.", "code": "denied"}}
    assert state["exports"] == {"from": "/lab/exports"}


def test_without_the_project_nothing_more_is_asked():
    door = Answering("/lab/project")
    assert set(panel.gathered(door)["refusals"]) == {"project"}
    assert door.asked == ["/lab/project"]


def test_sessions_find_the_panel_in_their_own_etc():
    config = json.loads((SESSION_FILES / "jupyter_server_config.json").read_text())
    assert config["LabApp"]["extra_labextensions_path"] == ["/etc/jupyter/labextensions"]
    assert config["ServerApp"]["jpserver_extensions"][panel.__name__] is True
    build = json.loads((EXTENSION / "package.json").read_text())["jupyterlab"]["_build"]
    assert (EXTENSION / build["load"]).is_file()


def words(language):
    """Return the names of the texts that stand in one language of the panel."""
    body = re.search(rf"const {language} = {{\n(.*?)\n}};", (STATIC / "words.js").read_text(), re.DOTALL)[1]
    return re.findall(r"^  (\w+):", body, re.MULTILINE)


def test_both_languages_have_every_text_that_the_panel_uses():
    used = set(re.findall(r"\bwords\.(\w+)", "".join(p.read_text() for p in STATIC.glob("*.js")))) - {"code", "js"}
    assert words("NB") == words("EN")
    assert used <= set(words("NB"))
    assert len(used) > 20


@pytest.mark.attack("PZ10")
@pytest.mark.parametrize("file", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_texts_of_the_platform_are_never_read_as_markup_and_no_other_host_is_named(file):
    text = file.read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|https?://", text)
    assert Path(file).stat().st_size < 20_000
