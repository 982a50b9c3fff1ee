"""A made-up population of a country, in linked registers, to try the platform on at full size.

`figures` (what is published), `lifetimes` (who lives, gives birth and dies), `numbers` (whose number is what), `rows`
(what the registers say of them), `codes` and `places` (public code lists), `declarations` and `writing` (the files).
"""
