"""What a graph can be turned into."""
