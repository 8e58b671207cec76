"""What Skyline promises, as tests."""
