"""Rehearses caching text encoder outputs: takes the arguments of Musubi Tuner's script of this name and, last, `--context FILE`."""

import sys

from wan22_rehearsal.python_version import require_python

require_python(sys.argv)

from wan22_rehearsal.stage import run_stage  # noqa: E402
from wan22_rehearsal.caching import cache_text  # noqa: E402

if __name__ == "__main__":
    sys.exit(run_stage(sys.argv, cache_text))
