"""The doors and pages of the catalogue."""
