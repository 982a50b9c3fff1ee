"""Datasets, versions, variables and their declarations, as plain values."""
