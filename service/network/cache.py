"""What was made already: boards and pages, kept for as long as nothing in them has changed.

A key holds everything that the thing depends on: the last report of the measure, the last change
by people, the day, and for a page who sees it. So nothing is ever invalidated; old things fall out.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TypeVar, cast

Made = TypeVar("Made")
NEWEST = 500  # things that are also kept by what they are about


class Cache:
    """The things made last, by kind and key; safe between threads."""

    def __init__(self, sizes: dict[str, int] | None = None) -> None:
        self._sizes = sizes or {"board": 8, "digest": 500, "page": 200}
        self._kept: dict[str, OrderedDict[Hashable, object]] = {
            kind: OrderedDict() for kind in self._sizes
        }
        self._newest: OrderedDict[Hashable, object] = OrderedDict()
        self._lock = Lock()

    def get(
        self, kind: str, key: Hashable, make: Callable[[], Made], about: Hashable = None
    ) -> Made:
        """The thing of this key, made now if it is not there; two may make it at once.

        It stays to be found by what it is ``about`` when the key has changed.
        """
        kept = self._kept[kind]
        with self._lock:
            if key in kept:
                kept.move_to_end(key)
                return cast(Made, kept[key])
        made = make()
        with self._lock:
            _put(kept, key, made, self._sizes[kind])
            if about is not None:
                _put(self._newest, about, made, NEWEST)
        return made

    def has(self, kind: str, key: Hashable) -> bool:
        """Whether the thing of this key is made."""
        with self._lock:
            return key in self._kept[kind]

    def newest(self, about: Hashable) -> object | None:
        """What was made last about something, whatever has changed since."""
        with self._lock:
            return self._newest.get(about)


def _put(kept: OrderedDict[Hashable, object], key: Hashable, made: object, size: int) -> None:
    kept[key] = made
    kept.move_to_end(key)
    while len(kept) > size:
        kept.popitem(last=False)
