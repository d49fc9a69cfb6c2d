"""Sparing the garbage collector what is loaded: models and programs stay, and there is much of it.

A look through all of that takes as long as evaluating dozens of patients.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen() -> Iterator[None]:
    """Meanwhile the collector looks through nothing that is there now."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
