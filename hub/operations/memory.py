"""How much memory this process holds."""

import os
from pathlib import Path


def own_memory_bytes() -> float | None:
    """What is resident, in bytes; None where Linux does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
