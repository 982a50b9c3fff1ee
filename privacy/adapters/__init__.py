"""Arrow, numba, OpenDP, AES and SQL behind the services' Protocols."""
