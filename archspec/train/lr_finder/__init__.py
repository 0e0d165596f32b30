"""The learning-rate range test and its pictures."""
