"""Facts about data and network to a Plan, and the advice that needs them."""
