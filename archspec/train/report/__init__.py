"""What a run shows of itself: pictures and the parts that they share."""
