"""AST and vocabulary to a CheckedRecipe: types, values, parameters, selectors."""
