"""Steps 1 and 2 of a run as a process of its own, to be killed or starved by a test.

python -m tests.faults.pull DATA_DIR BASE_URL KEY_FILE [LARGEST_FILE_IN_BYTES [VENDOR_PROFILE]]

It prints the most memory that it had, in bytes.
"""

import re
import resource
import sys
from pathlib import Path

from service.errors import WeirError
from service.site.acquire import acquire
from service.site.building import build_store
from tests.ehr import PLAN, QUICK, site_config, with_fhir

STATUS = Path("/proc/self/status")  # of Linux


def main(data_dir: str, base_url: str, key: str, largest: str = "", vendor: str = "default") -> int:
    """Pull and build; 1 and the error's type and text when that fails."""
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), int(largest)))
    try:
        config = with_fhir(site_config(base_url, Path(key), Path(data_dir)), vendor=vendor)
        acquisition = acquire(config, PLAN, QUICK)
        build_store(acquisition, PLAN, Path(data_dir))
        acquisition.discard()
        if STATUS.exists():
            sys.stdout.write(f"{most_memory()}\n")
    except WeirError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def most_memory() -> int:
    """Of this program alone: what `wait4` tells begins with the memory of who started it."""
    return int(re.findall(r"VmHWM:\s*(\d+) kB", STATUS.read_text())[0]) * 1024


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
