"""Says what this Python has, in one line of JSON. `wan22 doctor` asks it, with the packages to look for as arguments.

PyTorch is imported, since only it can say whether it finds a GPU; the other packages are looked up.
"""

import json
import platform
import sys
from importlib import metadata


def installed(names):
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return versions


def describe_torch():
    try:
        import torch
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being imported is the answer
        return {"problem": "%s: %s" % (type(error).__name__, error)}
    devices = []
    problem = None
    if torch.version.cuda is not None or torch.version.hip is not None:
        try:
            for index in range(torch.cuda.device_count()):
                found = torch.cuda.get_device_properties(index)
                devices.append(
                    {"name": found.name, "capability": [found.major, found.minor], "bytes": found.total_memory}
                )
        except Exception as error:  # noqa: BLE001
            problem = "%s: %s" % (type(error).__name__, error)
    answer = {"version": torch.__version__, "devices": devices}
    if torch.version.cuda is not None:
        answer["cuda"] = torch.version.cuda
    if problem is not None:
        answer["problem"] = problem
    return answer


print(json.dumps({"python": platform.python_version(), "packages": installed(sys.argv[1:]), "torch": describe_torch()}))
