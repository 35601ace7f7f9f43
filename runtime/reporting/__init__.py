"""Events and results for people: progress, tables, pages, plots, cards."""
