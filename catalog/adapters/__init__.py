"""Rows, files, the search index and the custodian, behind what the services ask for."""
