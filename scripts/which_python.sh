#!/bin/sh
# Print the Python to use: the system's if it is new enough (sessions can only see one below /usr), else the one on PATH.
for python in /usr/bin/python3 python3.11 python3.12 python3.13 python3; do
    if "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
        command -v "$python"
        exit 0
    fi
done
echo python3
