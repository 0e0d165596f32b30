"""Runs trials on a Ray cluster: the same command lines, on the nodes that Ray chooses."""
