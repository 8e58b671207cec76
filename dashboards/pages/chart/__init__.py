"""One chart by itself: its picture, its data, and how to carry it away."""
