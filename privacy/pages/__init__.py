"""The custodian's HTTP doors onto privacy."""
