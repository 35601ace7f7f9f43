"""The commands of the command line: each reads its arguments, calls one function, and shows what came back."""
