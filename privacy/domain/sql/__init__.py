"""The SQL door: a closed part of SQL, read into the JSON form of a question. Nothing is executed, here or later."""

from hvelv.privacy.domain.sql.reading import Reading, question_in

__all__ = ["Reading", "question_in"]
