"""One training step: gradients, precision, memory, and what keeps a bad step from the weights."""
