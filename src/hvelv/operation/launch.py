"""Turn into the process that a JSON file describes: `{"argv": [...], "environment": {...}}`.

Stands between the supervisor and each process, because the supervisor's configuration has its own ideas about quotes
and percent signs, and so that no secret has to stand in it. Runs by itself (`python -I -S launch.py FILE`).
"""

import json
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    what = json.loads(Path(sys.argv[1]).read_text())
    os.chdir("/")
    os.execvpe(what["argv"][0], what["argv"], what["environment"])  # noqa: S606 - the list is ours
