"""Reading leaderboard files."""
