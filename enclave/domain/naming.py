"""What the gate calls the things it makes: from the release's own names, so that no word of a researcher's leaves."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from hvelv.enclave.domain.exports import Artifact, ArtifactKind

LONGEST = 160
LONGEST_STEM = 60


def title_of(artifact: Artifact, document: Mapping[str, Any]) -> str:
    """Return an artifact's title: the table, what was measured, and by what."""
    rows = document["rows"]
    measures = [artifact.measure] if artifact.kind is ArtifactKind.FIGURE else list(rows[0]["values"] if rows else ())
    keys = [str(key) for key in document["keys"]]
    whole = "".join(
        f" ({name})" for name in (document.get("kind", "table"), document.get("part")) if name not in {"table", None}
    )
    return f"{document['dataset']}{whole}: {', '.join(measures)}" + (f" by {', '.join(keys)}" if keys else "")


def bundle_title(artifacts: Sequence[tuple[Artifact, Mapping[str, Any]]]) -> str:
    """Return a bundle's title: those of its artifacts, each once."""
    whole = "; ".join(dict.fromkeys(title_of(artifact, document) for artifact, document in artifacts))
    return whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"


def file_stem(number: int, title: str) -> str:
    """Return a file name of plain letters."""
    folded = unicodedata.normalize("NFKD", title.lower().replace("ø", "o").replace("æ", "ae").replace("å", "a"))
    words = re.sub(r"[^a-z0-9]+", "-", folded.encode("ascii", "ignore").decode()).strip("-")
    return f"{number:02d}-{words[:LONGEST_STEM].rstrip('-') or 'artifact'}"
