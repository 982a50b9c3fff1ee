"""What a session's server writes to its standard output, kept as far as it is of use.

All of it is the session's to write, at any length: it fills no disk of the host's, and nothing of it is copied into the
log of a process outside.
"""

import os
import threading
import time
from pathlib import Path

MOST = 256 << 10  # bytes kept, from the beginning: why a server does not start stands there
CHUNK = 64 << 10
PAUSE = 0.02  # seconds between chunks that are thrown away: a flood waits for us, not we for it


def _keep(source: int, log: Path) -> None:
    left = MOST
    with os.fdopen(source, "rb", buffering=0) as pipe, log.open("ab", buffering=0) as kept:
        while chunk := pipe.read(CHUNK):
            kept.write(chunk[:left])
            left = max(0, left - len(chunk))
            if not left:
                time.sleep(PAUSE)


def bounded(log: Path) -> int:
    """Return a descriptor to write to; what is written is kept in `log` up to `MOST` bytes. The caller closes it."""
    source, sink = os.pipe()
    threading.Thread(target=_keep, args=(source, log), name="session-log", daemon=True).start()
    return sink
