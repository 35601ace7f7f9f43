"""What the workers of one run tell one another, whatever they are connected by."""
