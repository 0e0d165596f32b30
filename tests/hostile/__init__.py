"""Broken and hostile input, generated."""
