"""The objects of each image: their classes and their boxes."""
