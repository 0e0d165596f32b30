"""Diagnostics: their text and other formats, and the application of fixes."""
