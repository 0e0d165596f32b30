"""Trials on a Ray cluster: the same command lines, on whatever node Ray places them."""
