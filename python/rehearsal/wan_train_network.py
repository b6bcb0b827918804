"""Rehearses training: takes the arguments of Musubi Tuner's script of this name and, last, `--context FILE`."""

import os
import sys

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from wan22_contract.python_version import require_python  # noqa: E402

require_python(sys.argv)

from wan22_rehearsal.stage import rehearse  # noqa: E402
from wan22_rehearsal.training import train  # noqa: E402

if __name__ == "__main__":
    sys.exit(rehearse(sys.argv, train))
