"""Files of weights: bounded readers that run no code, and what puts arrays into a network."""
