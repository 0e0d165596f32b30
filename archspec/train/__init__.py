"""Training: a loop that fits on a screen, and the callbacks that follow it."""
