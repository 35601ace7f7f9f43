"""What is done to an image before it reaches the network: each step a row, its parameters drawn once."""
