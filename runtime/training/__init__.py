"""The loop, its state and the optimizers. It yields events, prints nothing and writes nothing."""
