"""The bundle: a zip whose every byte the gate wrote, with an RO-Crate manifest and a signed certificate.

RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) describes the files; the certificate (kind `certificate`, Ed25519) names
each file's SHA-256 and the releases it was made from. Times inside the archive are fixed, so the same request gives
the same bytes.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hvelv.enclave.adapters.figures import as_png, as_svg
from hvelv.enclave.domain.exports import Artifact, ArtifactKind, ExportRequest
from hvelv.enclave.domain.naming import bundle_title, file_stem, title_of
from hvelv.enclave.domain.tables import as_csv, cells, columns
from hvelv.enclave.service.exports import certificate
from hvelv.kernel.signing import Signer
from hvelv.privacy.domain.describing import legend_of

EPOCH = (1980, 1, 1, 0, 0, 0)
POLICY = "gate-1"
MEDIA = {"csv": "text/csv", "svg": "image/svg+xml", "png": "image/png", "json": "application/json", "txt": "text/plain"}
README = """{title}

Made by Hvelv from certified releases under differential privacy. Every number carries noise; the columns that end in
_error95 say how much: the true number lies within ± that with 95 % confidence.

certificate.json is signed and names the SHA-256 of each file. ro-crate-metadata.json describes them.
"""


@dataclass(frozen=True)
class ZipBundle:
    """Writes bundles as zip archives, certified with the custodian's key."""

    signer: Signer

    def write(
        self,
        request: ExportRequest,
        permit: Mapping[str, Any],
        artifacts: Sequence[tuple[Artifact, Mapping[str, Any]]],
        at: datetime,
    ) -> tuple[bytes, tuple[str, ...]]:
        """Return the archive's bytes and the names of its files."""
        title = bundle_title(artifacts)
        files: dict[str, bytes] = {}
        sources: dict[str, str] = {}
        for number, (artifact, document) in enumerate(artifacts, start=1):
            for name, data in self._files(number, artifact, document):
                files[name] = data
                sources[name] = artifact.release
        files["README.txt"] = _readme(title, artifacts).encode()
        rho = {artifact.release: int(document["rho_micro"]) for artifact, document in artifacts}
        files["ro-crate-metadata.json"] = _json(_crate(request.id, title, permit, files, sources, at))
        statement = {
            "export": request.id,
            "project": request.project,
            "permit": permit["id"],
            "permit_version": permit["version"],
            "policy": POLICY,
            "asked_at": at.isoformat(),
            "title": title,
            "rho_micro": sum(rho.values()),
            "releases": [{"id": name, "rho_micro": cost} for name, cost in sorted(rho.items())],
            "files": [
                {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "release": sources.get(name, "")}
                for name, data in sorted(files.items())
            ],
        }
        files["certificate.json"] = _json(certificate(self.signer, statement))
        return _zip(files), tuple(sorted(files))

    def _files(self, number: int, artifact: Artifact, document: Mapping[str, Any]) -> list[tuple[str, bytes]]:
        stem = file_stem(number, title_of(artifact, document))
        table = as_csv(columns(document), cells(document))
        if artifact.kind is ArtifactKind.TABLE:
            return [(f"tables/{stem}.csv", table)]
        return [
            (f"figures/{stem}.svg", as_svg(artifact, document)),
            (f"figures/{stem}.png", as_png(artifact, document)),
            (f"figures/{stem}.csv", table),
        ]


def _readme(title: str, artifacts: Sequence[tuple[Artifact, Mapping[str, Any]]]) -> str:
    """Return what a reader has to know, with what each made column is, release by release."""
    legends = {artifact.release: legend_of(document.get("query") or {}) for artifact, document in artifacts}
    lines = [
        f"{release}\n" + "\n".join(f"  {name}: {said}" for name, said in legend.items())
        for release, legend in sorted(legends.items())
        if legend
    ]
    return README.format(title=title) + ("\nColumns that were made:\n\n" + "\n".join(lines) + "\n" if lines else "")


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True).encode() + b"\n"


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return out.getvalue()


def _crate(  # noqa: PLR0917 - each is a part of the manifest
    export: str,
    title: str,
    permit: Mapping[str, Any],
    files: Mapping[str, bytes],
    sources: Mapping[str, str],
    at: datetime,
) -> dict[str, Any]:
    entities: list[dict[str, Any]] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": title,
            "description": f"Results of the project «{permit['title']}», released under differential privacy.",
            "datePublished": at.date().isoformat(),
            "license": "All rights reserved unless the project says otherwise",
            "hasPart": [{"@id": name} for name in sorted(files)],
            "identifier": export,
        },
    ]
    for name, data in sorted(files.items()):
        entity: dict[str, Any] = {
            "@id": name,
            "@type": "File",
            "contentSize": str(len(data)),
            "encodingFormat": MEDIA[name.rsplit(".", 1)[-1]],
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        if name in sources:
            entity["isBasedOn"] = {"@id": f"#{sources[name]}"}
        entities.append(entity)
    entities += [
        {"@id": f"#{release}", "@type": "CreativeWork", "name": release, "description": "A certified release"}
        for release in sorted(set(sources.values()))
    ]
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": entities}
