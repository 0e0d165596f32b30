"""Finished runs as data: records, an index over them, statistics, comparisons, pictures and reports."""
