"""What the catalogue and the vault do for the rest of the house."""
