"""The SQL door: a closed part of SQL, read into the JSON form of a question. Nothing is executed, here or later."""

from hvelv.privacy.domain.sql.reading import question_in

__all__ = ["question_in"]
