"""Trained weights to start from: finding them, reading them safely, and matching them with a network."""
