"""The base networks: their names as plain data, how they are built and cut into parts."""
