"""Checkpoints: what they hold, how they are stored, when they are written, and resuming from them."""
