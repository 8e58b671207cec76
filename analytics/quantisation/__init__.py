"""What quantisation costs in quality: recipes and tasks, fits to measured losses, their held-out error, and answers."""
