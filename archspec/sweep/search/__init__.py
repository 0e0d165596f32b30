"""Search: points of a space are chosen one after another, and most of their trainings are ended early."""
