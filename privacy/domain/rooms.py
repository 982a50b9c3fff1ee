"""Names of objects in projects' rooms: every name lies in exactly one project's room, whoever reads it and however.

A room is the prefix `<project>/`; its last slash is what keeps `p-1` out of `p-10`. None but the letters below are let
into a name, so that it holds no dot segment, no escape, no slash of any alphabet and no control character: a store, a
proxy or a file system that decodes or normalises it once more finds nothing to do.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hvelv.kernel.errors import Invalid, Problem, _

BUCKET = "rooms"
SEALED = "sealed"
"""Where the objects of an ended project's room are kept until its retention is over. No credentials reach it."""

MOST_PARTS = 10_000
HASH_LETTERS = 16
MANIFEST = "manifest.json"
NO_MARK = "0" * HASH_LETTERS

_PROJECT = re.compile(r"[a-z][a-z0-9]{0,30}(?:-[a-z0-9]{1,32}){0,2}", re.ASCII)
_TABLE = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{16,64}", re.ASCII)


def prefix(project: str) -> str:
    """Return the room's prefix, `<project>/`, with its last slash. Raises `Invalid`."""
    return _checked(_PROJECT, project, "project") + "/"


def generation_prefix(project: str, permit_version: int, generation: int, mark: str = NO_MARK) -> str:
    """Return the prefix of what one run made: `<project>/v<version>/g<generation>-<first 16 of mark>/`. Raises `Invalid`.

    `mark`, in hex, tells apart runs of one generation that made different things, of which one at most is published.
    """
    version, number = _counted(permit_version, "permit_version"), _counted(generation, "generation")
    return f"{prefix(project)}v{version}/g{number}-{_checked(_HASH, mark, 'mark')[:HASH_LETTERS]}/"


def generation_of(name: str) -> str:
    """Return the prefix of the run that made the object called `name`."""
    return "/".join(name.split("/")[:3]) + "/"


def part_name(
    project: str, permit_version: int, generation: int, table: str, *, number: int, sha256: str, mark: str = NO_MARK
) -> str:
    """Return the name of one part of a table's extract: `…/<table>/<number:04d>-<first 16 of the hash>.parquet`.

    Raises `Invalid` for anything that could be read as another place.
    """
    beginning = generation_prefix(project, permit_version, generation, mark) + _checked(_TABLE, table, "table")
    place = _counted(number, "number", below=MOST_PARTS)
    return f"{beginning}/{place:04d}-{_checked(_HASH, sha256, 'sha256')[:HASH_LETTERS]}.parquet"


def manifest_name(project: str, permit_version: int, generation: int, mark: str = NO_MARK) -> str:
    """Return the name of a run's manifest. Raises `Invalid`."""
    return generation_prefix(project, permit_version, generation, mark) + MANIFEST


def reading_rights(project: str, until: datetime | None = None, generation: str = "") -> dict[str, Any]:
    """Return the policy of credentials that read this project's room, list it, and do nothing else. Raises `Invalid`.

    `until`: for stores whose credentials outlive a permit too long, and that know the time in a policy. `generation`: the
    prefix of what is published; what is being stored beside it is not to be seen.
    """
    room = generation or prefix(project)
    if not room.startswith(prefix(project)) or not room.endswith("/"):
        raise Invalid((Problem(_("Navnet kan ikke brukes i et prosjektrom."), "generation"),))
    lapse = {"DateLessThan": {"aws:CurrentTime": until.strftime("%Y-%m-%dT%H:%M:%SZ")}} if until else {}
    own_names = {"StringLike": {"s3:prefix": [f"{room}*"]}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allowed("s3:GetObject", f"arn:aws:s3:::{BUCKET}/{room}*", lapse),
            _allowed("s3:ListBucket", f"arn:aws:s3:::{BUCKET}", own_names | lapse),
        ],
    }


def _allowed(action: str, resource: str, condition: Mapping[str, Any]) -> dict[str, Any]:
    allowed = {"Effect": "Allow", "Action": [action], "Resource": [resource]}
    return allowed | ({"Condition": dict(condition)} if condition else {})


def _checked(form: re.Pattern[str], text: str, field: str) -> str:
    if form.fullmatch(text) is None:
        raise Invalid((Problem(_("Navnet kan ikke brukes i et prosjektrom."), field),))
    return text


def _counted(number: int, field: str, below: int = 1 << 31) -> int:
    if not 0 <= number < below:
        raise Invalid((Problem(_("Tallet kan ikke brukes i et navn i et prosjektrom."), field),))
    return number
