"""What applicants, reviewers and the permit office do."""
