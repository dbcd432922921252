"""Malformed requests, configurations, checkpoints and sounds: `python -m tests.fuzz --count 100000`."""
