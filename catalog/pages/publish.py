"""Publishing, for stewards: a file goes to the vault, is declared, checked, and becomes an immutable version."""

import json
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from hvelv.catalog.domain.declaration import Encoding, FileKind, Format
from hvelv.catalog.domain.forms import OFFERS
from hvelv.catalog.domain.uploads import Checked
from hvelv.catalog.domain.words import ValueType, VariableRole
from hvelv.catalog.pages.browse import Datasets
from hvelv.catalog.pages.declaring import blank, from_form, from_json, to_form
from hvelv.catalog.pages.receiving import receive
from hvelv.catalog.pages.suggestion import Column, Suggestion, suggest
from hvelv.catalog.service.publishing import Publishing
from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.kernel.ids import DatasetId
from hvelv.kernel.people import Person
from hvelv.kernel.web import PageShell, SignedIn

router = APIRouter()
MICRO = 1_000_000
MOST_RHO = 100.0
ADDRESS_COLUMNS = 120  # columns that fit in an address; a wider file is declared by JSON
FIELDS = 40_000  # of one form: 2,000 variables of at most 13 fields, with room


def _publishing(request: Request) -> Publishing:
    service: Publishing = request.app.state.publishing
    return service


Vault = Annotated[Publishing, Depends(_publishing)]


def micro_rho(text: str, field: str) -> int | None:
    """Return a budget written as decimal rho in micro-rho, None where nothing is written. Raises `Invalid`."""
    cleaned = text.strip().replace(",", ".")
    if not cleaned:
        return None
    try:
        rho = float(cleaned)
    except ValueError:
        rho = -1.0
    if not 0 <= rho <= MOST_RHO:  # also refuses what is not a number
        raise Invalid(
            (Problem(_("Budsjettet må være et tall fra 0 til {most}."), field, params={"most": int(MOST_RHO)}),)
        )
    return round(rho * MICRO)


@router.get("/publish")
def mine(request: Request, person: SignedIn, shell: PageShell, datasets: Datasets) -> Response:
    """Show what the steward's data holder has published."""
    assert person.holder is not None  # noqa: S101 - a steward has one; the access table lets only stewards in
    return shell.page(
        request, "publish.html", datasets=datasets.datasets(person.holder), holder=datasets.holder(person.holder)
    )


@router.get("/publish/new")
def new(request: Request, _person: SignedIn, shell: PageShell) -> Response:
    """Show where a file is uploaded."""
    return shell.page(request, "publish_upload.html", problems=())


@router.post("/publish/uploads")
async def upload(request: Request, person: SignedIn, shell: PageShell, vault: Vault) -> Response:
    """Stream the form's `file` into the vault's waiting room, then go on to declare it."""
    try:
        uploaded, part = await receive(request, "file", lambda name, pieces: vault.upload(person, name, pieces))
    except Invalid as refusal:
        return shell.page(request, "publish_upload.html", status=422, problems=refusal.problems)
    address = urlencode(_address(part.filename, suggest(part.head)), doseq=True)
    return shell.back(
        request, f"/publish/uploads/{uploaded.id}?{address}", _("Filen er lastet opp. Nå må den beskrives.")
    )


def _address(filename: str, suggestion: Suggestion) -> dict[str, Any]:
    """Return what the next page must know, as an address: names and guesses, never values."""
    written = suggestion.format
    columns = suggestion.columns if len(suggestion.columns) <= ADDRESS_COLUMNS else ()
    return {
        "file": filename,
        "kind": written.kind.value,
        "delimiter": written.delimiter,
        "encoding": written.encoding.value,
        "decimal": written.decimal,
        "c": [f"{c.name}:{c.type.value}:{c.role.value}:{'null' if c.nullable else ''}" for c in columns],
    }


def _suggested(request: Request) -> Suggestion:
    asked = request.query_params
    columns = []
    for text in asked.getlist("c")[:ADDRESS_COLUMNS]:
        name, kind, role, nullable = (*text.split(":"), "", "", "", "")[:4]
        if kind in list(ValueType) and role in list(VariableRole):
            columns.append(Column(name, ValueType(kind), VariableRole(role), nullable == "null"))
    kind = asked.get("kind", "csv")
    encoding = asked.get("encoding", "utf-8")
    return Suggestion(
        Format(
            FileKind(kind) if kind in list(FileKind) else FileKind.CSV,
            asked.get("delimiter", ","),
            Encoding(encoding) if encoding in list(Encoding) else Encoding.UTF_8,
            asked.get("decimal", "."),
        ),
        tuple(columns),
    )


@router.get("/publish/uploads/{upload_id}")
def declare(request: Request, person: SignedIn, shell: PageShell, datasets: Datasets, upload_id: str) -> Response:
    """Show the declaration form, filled with what the file's beginning suggests."""
    return _form(request, person, shell, datasets=datasets, upload_id=upload_id, document=blank(_suggested(request)))


@router.post("/publish/uploads/{upload_id}")
async def act(
    request: Request, person: SignedIn, shell: PageShell, *, datasets: Datasets, vault: Vault, upload_id: str
) -> Response:
    """Check, publish or discard an upload (`action`), by the form's fields or by a `declaration` in JSON."""
    async with request.form(max_files=1, max_fields=FIELDS) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        file = form.get("declaration_file")
        if isinstance(file, UploadFile) and file.size:
            fields["declaration"] = (await file.read()).decode("utf-8", "replace")
    return await run_in_threadpool(_act, request, person, shell, datasets, vault, upload_id, fields)


def _act(  # noqa: PLR0917 - the endpoint's own arguments
    request: Request,
    person: Person,
    shell: PageShell,
    datasets: Datasets,
    vault: Publishing,
    upload_id: str,
    fields: dict[str, str],
) -> Response:
    action = fields.get("action", "check")
    if action == "discard":
        vault.discard(person, upload_id)
        return shell.back(request, "/publish", _("Opplastingen er fjernet."))
    document: dict[str, Any] = {}
    try:
        document = from_json(fields["declaration"]) if fields.get("declaration", "").strip() else from_form(fields)
        if action == "rows":
            return _form(
                request, person, shell, datasets=datasets, upload_id=upload_id, document=document, typed=fields, spare=5
            )
        if action == "publish":
            published = vault.publish(
                person,
                upload_id,
                document,
                dataset=DatasetId(fields["dataset"]) if fields.get("dataset") else None,
                rho_micro=micro_rho(fields.get("rho", ""), "rho"),
            )
            return shell.back(request, f"/datasets/{published.id}", _("Versjonen er publisert og kan ikke endres."))
        checked = vault.check(person, upload_id, document)
    except Invalid as refusal:
        return _form(
            request,
            person,
            shell,
            datasets=datasets,
            upload_id=upload_id,
            document=document,
            typed=fields,
            problems=refusal.problems,
            status=422,
        )
    status = 422 if checked.problems else 200
    return _form(
        request,
        person,
        shell,
        datasets=datasets,
        upload_id=upload_id,
        document=document,
        typed=fields,
        checked=checked,
        problems=checked.problems,
        status=status,
    )


def _form(
    request: Request,
    person: Person,
    shell: PageShell,
    *,
    datasets: Datasets,
    upload_id: str,
    document: dict[str, Any],
    typed: dict[str, str] | None = None,
    checked: Checked | None = None,
    problems: tuple[Problem, ...] = (),
    spare: int = 0,
    status: int = 200,
) -> Response:
    """Show the form with what was typed, or with what the document says when it came as JSON."""
    fields, rows = to_form(document, spare=spare)
    if typed and "declaration" not in typed:
        rows = max(rows, sum(name.startswith("name.") for name in typed))
        fields = fields | typed
    extra = {name: (typed or {}).get(name, "") for name in ("rho", "dataset", "file")}
    extra["file"] = extra["file"] or request.query_params.get("file", "")
    return shell.page(
        request,
        "publish_declare.html",
        status=status,
        upload_id=upload_id,
        v=fields | extra,
        rows=rows,
        as_json=json.dumps(document, ensure_ascii=False, indent=2)
        if document
        else (typed or {}).get("declaration", ""),
        checked=checked,
        problems=problems,
        mine=datasets.datasets(person.holder),
        offers=OFFERS,
        roles=tuple(VariableRole),
        types=tuple(ValueType),
        encodings=tuple(Encoding),
        kinds=tuple(FileKind),
        delimiters=((",", _("Komma")), (";", _("Semikolon")), ("tab", _("Tabulator")), ("|", _("Loddrett strek"))),
    )
