"""Exports runs for other tools. Each adapter is one file, and imports its library only when it is used."""
