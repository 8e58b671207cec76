"""One scale of ability from results of many benchmarks, with its error: an item-response model and its intervals."""
