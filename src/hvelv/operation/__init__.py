"""Running an installation: its processes, folders, secrets, command line and set-up."""
