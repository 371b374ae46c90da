"""Compositions: Python functions over public ops that registry entries name."""
