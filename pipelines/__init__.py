"""What is made from what, when, and whether it is sound."""
