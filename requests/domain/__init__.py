"""Applications, reviews and permits, as plain values."""
