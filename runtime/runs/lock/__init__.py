"""Lock files, and the facts that they record."""
