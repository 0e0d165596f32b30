"""Sweeps: one file that describes many trainings, which run as independent trials."""
