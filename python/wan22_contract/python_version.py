"""Refuses an old Python. Written so that even Python 2.7 can read it."""

import json
import sys
import time

OLDEST = (3, 10)


def require_python(argv):
    """Ends the process with code 3, and a `failed` event where a context is named, if this Python is too old."""
    if sys.version_info >= OLDEST:
        return
    found = "%d.%d" % (sys.version_info[0], sys.version_info[1])
    message = "Python %s was started (%s), and wan22 needs %d.%d or newer." % (
        (found, sys.executable) + OLDEST
    )
    sys.stderr.write(message + "\n")
    if "--context" in argv[1:-1]:
        with open(argv[argv.index("--context") + 1]) as file:
            events = json.load(file)["events"]
        event = {"v": 1, "t": time.time(), "type": "failed", "reason": "python-too-old", "message": message}
        with open(events, "a") as file:
            file.write(json.dumps(event) + "\n")
    sys.exit(3)
