"""One module per outside world: how its files are recognised, read and, where rows are bad, set aside."""
