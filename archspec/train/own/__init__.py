"""Training with your own data, losses and networks."""
