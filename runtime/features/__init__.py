"""What frozen parts give, computed once."""
