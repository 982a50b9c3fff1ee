"""Pure rules of privacy: the query model, what a release costs, who a row belongs to."""
