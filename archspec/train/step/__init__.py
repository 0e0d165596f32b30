"""One training step: gradients, precision, memory, and protection of the weights from a bad step."""
