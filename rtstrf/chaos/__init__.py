"""Faults on purpose, into a session that is real in every other respect: `rtstrf chaos`."""
