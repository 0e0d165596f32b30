"""Finished runs as data: records, an index, statistics, comparisons, pictures and reports."""
