"""Which times Events can have."""

LATEST = 2**33
"""Seconds, in the year 2242: beyond, float64 no longer tells microseconds apart. The earliest time is 0, in 1970."""
