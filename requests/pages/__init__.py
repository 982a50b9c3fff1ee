"""The doors and pages of applications and permits."""
