"""What an operator is told when something cannot be done."""


class Trouble(Exception):  # noqa: N818 - a message for an operator, not a fault in the program
    """A command could not be carried out. Says what stands in the way and what mends it."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
