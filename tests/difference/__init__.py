"""What changed between two specs."""
