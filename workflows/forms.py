"""The steps of a declaration, judged by privacy's model on behalf of the vault: catalogue and privacy do not meet."""

from collections.abc import Mapping
from typing import Any

from hvelv.privacy.domain.schema import Schema


class Forms:
    """The vault's `FormCheck`."""

    def check(self, declaration: Mapping[str, Any]) -> None:
        """Raise `Invalid` for steps that are none, or that do not fit their variables."""
        schema = Schema.from_declaration(declaration)
        schema.extracted([column.name for column in schema.columns], {})
