"""A file received as a stream: it goes past the portal to the vault and is never on the portal's disk or in one piece."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from anyio import from_thread, to_thread
from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from hvelv.kernel.errors import Invalid, Problem, _

T = TypeVar("T")
HEAD = 64 << 10  # bytes kept for guessing the columns
LONGEST_NAME = 200


class FilePart:
    """The part called `field` of a multipart form, read as it arrives."""

    def __init__(self, request: Request, field: str) -> None:
        kind, options = parse_options_header(request.headers.get("content-type", ""))
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise Invalid((Problem(_("Velg en fil å laste opp."), field),))
        self.filename = ""
        self.head = b""
        self._field = field.encode()
        self._stream = request.stream()
        self._pieces: list[bytes] = []
        self._header_name = self._header_value = b""
        self._headers: dict[bytes, bytes] = {}
        self._wanted = self._ended = False
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._begin,
                "on_header_field": self._field_name,
                "on_header_value": self._field_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
            },
        )

    async def begin(self) -> None:
        """Read until the file begins. Raises `Invalid` when there is none."""
        while not self._wanted:
            if not await self._feed():
                raise Invalid((Problem(_("Velg en fil å laste opp."), self._field.decode()),))

    async def next_piece(self) -> bytes | None:
        """Return some bytes of the file, None at its end. Raises `Invalid` when the stream breaks off."""
        while not self._pieces:
            if self._ended:
                return None
            if not await self._feed():
                raise Invalid((Problem(_("Opplastingen ble avbrutt. Ingenting er lagret."), self._field.decode()),))
        piece = b"".join(self._pieces)
        self._pieces.clear()
        if len(self.head) < HEAD:
            self.head += piece[: HEAD - len(self.head)]
        return piece

    async def _feed(self) -> bool:
        try:
            chunk = await anext(self._stream, b"")
            if chunk:
                self._parser.write(chunk)
        except (ClientDisconnect, MultipartParseError):
            raise Invalid(
                (Problem(_("Opplastingen ble avbrutt. Ingenting er lagret."), self._field.decode()),)
            ) from None
        return bool(chunk)

    def _begin(self) -> None:
        self._headers.clear()

    def _field_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _field_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        _kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if not self._ended and options.get(b"name") == self._field and options.get(b"filename"):
            self._wanted = True
            name = options[b"filename"].decode("utf-8", "replace").replace("\\", "/").rsplit("/", 1)[-1]
            self.filename = "".join(c for c in name if c.isprintable())[:LONGEST_NAME]

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted and not self._ended:
            self._pieces.append(bytes(data[start:end]))

    def _end(self) -> None:
        self._ended = self._ended or self._wanted


async def receive(request: Request, field: str, keep: Callable[[str, Iterator[bytes]], T]) -> tuple[T, FilePart]:
    """Hand the file in `field` to `keep(filename, pieces)`, which runs in a worker thread, as it arrives."""
    part = FilePart(request, field)
    await part.begin()

    def pieces() -> Iterator[bytes]:
        while (piece := from_thread.run(part.next_piece)) is not None:
            yield piece

    return await to_thread.run_sync(lambda: keep(part.filename, pieces())), part
