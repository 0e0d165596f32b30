"""Results as text for a terminal and as HTML for a notebook, without the command line. rich is imported late."""
