"""A network as a diagram: nested boxes with their costs, as one SVG or as an interactive HTML page."""
