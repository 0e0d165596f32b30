"""Training with data, losses and networks that are not archspec's."""
