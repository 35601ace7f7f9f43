"""Advice that the text of a recipe gives: what is seldom wise. Each kind stands beside the rule that gives it.

A rule looks at a whole checked recipe. Thresholds lie where the sources leave little doubt: advice that is often wrong
is not read.
"""
