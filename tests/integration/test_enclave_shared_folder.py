"""What a project's members share, tried from inside real sandboxes: theirs to change, nobody else's to see."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.builders_enclave import ROOT, UID, SandboxBench, bench

__all__ = ["bench"]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not ROOT, reason="without root all sessions have one user id, and there is nothing to keep apart"
    ),
]
PROJECT, OTHER = "p-aaaaaaaaaa", "p-bbbbbbbbbb"
GROUP, OTHER_GROUP = UID + 20, UID + 21


class Member(NamedTuple):
    person: str
    uid: int
    project: str = PROJECT
    group: int = GROUP


OLA, KARI, SIRI = Member("ola", UID + 10), Member("kari", UID + 11), Member("siri", UID + 13)
PER = Member("per", UID + 12, OTHER, OTHER_GROUP)


def said(bench: SandboxBench, who: Member, script: str) -> str:
    sandbox = bench.prepare(bench.layout(who.person, who.project), who.uid, who.group)
    ran = bench.run(script, sandbox=sandbox)
    assert ran.status == 0, ran.out
    return ran.out.strip()


def test_what_one_member_writes_another_reads_and_changes(bench):
    said(bench, OLA, "import os; os.makedirs('felles/plan'); open('felles/plan/a.md', 'w').write('first')")
    assert said(bench, KARI, "print(open('/workspace/felles/plan/a.md').read())") == "first"
    said(bench, KARI, "open('/workspace/felles/plan/a.md', 'a').write(', second')")
    said(
        bench,
        KARI,
        "open('felles/plan/.b', 'w').write('as Jupyter saves'); import os; os.replace('felles/plan/.b', 'felles/plan/b.md')",
    )
    assert (
        said(bench, OLA, "print(open('felles/plan/a.md').read()); open('felles/plan/b.md', 'a').write('!')")
        == "first, second"
    )


def test_what_lies_beside_it_stays_ones_own(bench):
    said(bench, OLA, "open('/workspace/mine.txt', 'w').write('mine')")
    assert said(bench, KARI, "import os; print(sorted(os.listdir('/workspace')))") == "['felles']"
    workspace = bench.layout("ola", PROJECT).workspace
    assert workspace.stat().st_mode & 0o777 == 0o700
    assert (workspace / "mine.txt").stat().st_gid == OLA.uid


@pytest.mark.attack("SB01")
def test_another_projects_folder_is_another(bench):
    said(bench, OLA, "open('felles/secret.txt', 'w').write('of this project')")
    assert said(bench, PER, "import os; print(os.listdir('felles'))") == "[]"


@pytest.mark.attack("SB01")
def test_the_folder_is_closed_to_those_who_have_another_projects_group(bench):
    """Were another project's folder shown by mistake, its group would still keep it shut."""
    said(bench, OLA, "open('felles/secret.txt', 'w').write('of this project')")
    there = bench.layout("per", OTHER)
    sandbox = bench.prepare(there, PER.uid, PER.group)
    shared, aside = there.shared, there.shared.with_name("aside")
    shared.rename(aside)
    try:
        bench.layout("ola", PROJECT).shared.rename(shared)
        ran = bench.run("import os; os.listdir('/workspace/felles')", sandbox=sandbox)
        assert "PermissionError" in ran.out
    finally:
        shared.rename(bench.layout("ola", PROJECT).shared)
        aside.rename(shared)


def test_git_keeps_versions_of_what_several_people_change(bench):
    assert shutil.which("git"), "git is among the Debian packages that the set-up installs"
    script = (
        "import os, subprocess\n"
        "os.chdir('/workspace/felles')\n"
        "env = dict(os.environ, GIT_AUTHOR_NAME={who!r}, GIT_AUTHOR_EMAIL='{who}@enclave', GIT_COMMITTER_NAME={who!r}, GIT_COMMITTER_EMAIL='{who}@enclave')\n"
        "git = lambda *a: subprocess.run(['git', *a], check=True, capture_output=True, text=True, env=env).stdout\n"
        "os.path.isdir('.git') or git('init', '--shared=group')\n"
        "open('code.py', 'a').write('# {who}\\n')\n"
        "git('add', 'code.py'); git('commit', '-m', 'by {who}')\n"
        "print(git('log', '--format=%an %s').replace('\\n', ';'))\n"
    )
    assert said(bench, OLA, script.format(who="ola")) == "ola by ola;"
    assert said(bench, KARI, script.format(who="kari")) == "kari by kari;ola by ola;"


def a_link(place: Path) -> None:
    place.symlink_to("/etc")


def a_file(place: Path) -> None:
    place.write_text("x")


@pytest.mark.attack("SB01")
@pytest.mark.parametrize("put", [a_link, a_file])
def test_what_stands_in_its_place_is_put_aside(bench, put):
    """A link there could else lead what is shown to another place, and a file would keep the session shut."""
    layout = bench.layout("siri", PROJECT)
    said(bench, SIRI, "print()")
    (layout.workspace / "felles").rmdir()
    put(layout.workspace / "felles")
    said(bench, SIRI, f"open('felles/{put.__name__}.txt', 'w').write('for all')")
    assert (layout.shared / f"{put.__name__}.txt").read_text() == "for all"
    assert [path.name[:7] for path in layout.workspace.iterdir() if path.name != "felles"] == ["felles-"]
    shutil.rmtree(layout.workspace)
