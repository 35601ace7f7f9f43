"""Where images and their labels come from: folders, tables, packaged sets."""
