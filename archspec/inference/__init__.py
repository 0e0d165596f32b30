"""Finished runs: their networks, evaluation and prediction."""
