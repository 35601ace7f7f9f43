"""Search for values of a recipe's parameters."""
