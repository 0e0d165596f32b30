"""Builds and runs networks from graphs, with torch."""
