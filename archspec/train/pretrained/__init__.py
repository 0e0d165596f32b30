"""Finds trained weights to start from, reads them safely, and matches them with a network."""
