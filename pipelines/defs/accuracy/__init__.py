"""How far predictions lie from what others measured end to end."""
