"""The web app: wiring, sign-in, page shell, templates, static files and languages."""
