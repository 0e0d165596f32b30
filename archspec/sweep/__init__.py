"""Sweeps: one file that names many trainings, run as trials that survive whatever happens to one of them."""
