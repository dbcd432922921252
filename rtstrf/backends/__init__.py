"""Ways to run one hop: each is derived from the one definition of a stage, and tested equal to it."""
