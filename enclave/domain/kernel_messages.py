"""Kernels' messages as they pass on a websocket: enough is read to answer in place of one that is too large.

Three forms (jupyter_server's `websocket.md`): the subprotocol `v1.kernel.websocket.jupyter.org`, where offsets come
first and then channel, header, parent header, metadata and content; JSON text; and JSON with buffers, which JupyterLab
no longer uses. A session may write anything here: what cannot be read is None, and little is read of what is large.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

V1 = "v1.kernel.websocket.jupyter.org"
MOST_PARTS = 64  # offsets that are looked at
LARGEST_HEAD = 64 << 10  # bytes of one header
LARGEST_TEXT = 1 << 20  # a longer JSON message is not read: it would hold up everybody else's
REPLY = "_reply"


@dataclass(frozen=True)
class Heads:
    """What a message is, and what it answers."""

    channel: str
    header: Mapping[str, Any]
    parent: Mapping[str, Any]


def _v1(data: bytes) -> Heads:
    count = int.from_bytes(data[:8], "little")
    if not 6 <= count <= MOST_PARTS:  # noqa: PLR2004 - channel, four dictionaries and the end
        raise ValueError("not a kernel's message")
    offsets = [int.from_bytes(data[8 * n : 8 * n + 8], "little") for n in range(1, 5)]
    pieces = [data[a:b] for a, b in pairwise(offsets) if 0 <= b - a <= LARGEST_HEAD]
    channel, header, parent = pieces
    return Heads(channel.decode(), json.loads(header), json.loads(parent))


def heads(data: bytes | str, protocol: str | None) -> Heads | None:
    """Return what a message is, or None when it cannot be told."""
    try:
        if isinstance(data, bytes):
            found = _v1(data) if protocol == V1 else None
        elif len(data) > LARGEST_TEXT:
            return None
        else:
            document = json.loads(data)
            found = Heads(str(document["channel"]), document["header"], document.get("parent_header") or {})
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    readable = found is not None and isinstance(found.header, dict) and isinstance(found.parent, dict)
    return found if readable else None


def written(channel: str, document: Mapping[str, Any], protocol: str | None) -> bytes | str:
    """Return a message in the form that the websocket speaks."""
    if protocol != V1:
        return json.dumps({"channel": channel, **document, "buffers": []})
    names = ("header", "parent_header", "metadata", "content")
    pieces = [channel.encode(), *(json.dumps(document[name]).encode() for name in names)]
    offsets = [8 * (len(pieces) + 2)]
    for piece in pieces:
        offsets.append(offsets[-1] + len(piece))
    return b"".join([len(offsets).to_bytes(8, "little"), *(o.to_bytes(8, "little") for o in offsets), *pieces])


def instead(of: Heads, sentence: str, *, identity: str, at: str, protocol: str | None) -> bytes | str:
    """Return what the browser gets in place of `of`: the sentence in the cell, or an answer that ends the waiting."""
    kind = str(of.header.get("msg_type", ""))
    is_reply = of.channel != "iopub" and kind.endswith(REPLY)
    channel, kind, content = (
        (of.channel, kind, {"status": "error", "ename": "Hvelv", "evalue": sentence, "traceback": [sentence]})
        if is_reply
        else ("iopub", "stream", {"name": "stderr", "text": sentence + "\n"})
    )
    header = {
        "msg_id": identity,
        "msg_type": kind,
        "username": "",
        "session": str(of.header.get("session", "")),
        "date": at,
        "version": "5.3",
    }
    document = {"header": header, "parent_header": dict(of.parent), "metadata": {}, "content": content}
    return written(channel, document, protocol)
