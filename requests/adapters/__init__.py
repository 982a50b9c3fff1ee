"""Rows and the custodian, behind what the services ask for."""
