"""Training: a loop that fits on a screen, and what watches it."""
