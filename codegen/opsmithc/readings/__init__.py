"""Readings of a formula that compute its value: one walk, one table of functions a reading."""
