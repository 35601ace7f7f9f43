"""Tables of rows on the disk, kept from run to run."""
