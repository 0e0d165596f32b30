"""Finished runs written for other tools. Each adapter is a file; it imports its library when it is asked to write."""
