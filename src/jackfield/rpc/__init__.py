"""Speaking with other processes: frames, and calls both ways over them."""
