"""Caches text encoder outputs with Musubi Tuner's own script of this name: takes its arguments and, last, `--context FILE`."""

import os
import sys

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from wan22_contract.python_version import require_python  # noqa: E402

require_python(sys.argv)

from wan22_bridge.failures import explain  # noqa: E402
from wan22_bridge.scripts import cache_text  # noqa: E402
from wan22_contract.stage import run_stage  # noqa: E402

if __name__ == "__main__":
    sys.exit(run_stage(sys.argv, cache_text, explain))
