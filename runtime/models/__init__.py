"""Networks: the bases as named parts, the head, and what a recipe makes of them."""
