"""Weir: measures computed beside the EHR, from which only protected aggregates leave."""

__version__: str


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import version  # takes as long to import as the rest of a command

    return version("weir")
