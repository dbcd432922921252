"""What takes the stream inside the engine's process: recorder, trigger, and what plugins bring."""
