"""Sources against real files and a real server."""
