"""What pages compute."""
