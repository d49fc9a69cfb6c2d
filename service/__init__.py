"""Weir: measures computed beside the EHR, from which only protected aggregates leave."""

from importlib.metadata import version

__version__ = version("weir")
