"""What it costs on this machine: steps, streams, replay, the wire, and deepSTRF beside them (`rtstrf bench`).

Reading order: `spread.py` (how times are told), `loops.py` (back to back, open loop, paced), `floors.py` (what the
machine itself costs), `models.py` and `systems.py` (what is measured), then one file a subcommand.
"""
