"""Progress, tables and pictures of a run."""
