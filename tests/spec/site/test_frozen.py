"""What the garbage collector is spared is given back to it, whatever happens."""

import gc

import pytest

from service.frozen import frozen


def test_what_is_there_is_spared_meanwhile() -> None:
    with frozen():
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_it_is_given_back_after_an_error() -> None:
    with pytest.raises(ValueError, match="x"), frozen():
        raise ValueError("x")
    assert gc.get_freeze_count() == 0
