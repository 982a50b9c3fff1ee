"""Text to a tree: sqlglot's tokens and parser, with an alphabet so small that only what we read can be written in it.

A parser that tries one thing and then another can be made to try twice as often for each level of brackets: with types
in the grammar, 25 levels of `DATE (` keep sqlglot busy for minutes. So the text is short, the levels are few, and the
words that begin types, statements and clauses that we do not read are refused as tokens, before anything is parsed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from sqlglot import Dialect, exp, parser
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from hvelv.kernel.errors import Invalid, Problem, _
from hvelv.privacy.domain.sql.refusing import CANNOT, WHOLE, Place, refusal

LONGEST = 32 * 1024  # characters
MOST_TOKENS = 3_000
DEEPEST = 10
LONGEST_RUN = 4  # of NOT or minus, one after the other

SPECIAL: Mapping[TokenType, str] = {
    TokenType.UNION: _("Linje {line}, tegn {column}: UNION kan ikke brukes. Still ett spørsmål av gangen."),
    TokenType.INTERSECT: _("Linje {line}, tegn {column}: INTERSECT kan ikke brukes. Skriv vilkårene i WHERE."),
    TokenType.EXCEPT: _("Linje {line}, tegn {column}: EXCEPT kan ikke brukes. Skriv vilkårene i WHERE."),
    TokenType.WITH: _("Linje {line}, tegn {column}: WITH kan ikke brukes. Skriv underspørringen i FROM eller LEFT JOIN."),
    TokenType.HAVING: _("Linje {line}, tegn {column}: HAVING kan ikke brukes. Alle grupper besvares; velg rader med WHERE."),
    TokenType.ORDER_BY: _("Linje {line}, tegn {column}: ORDER BY kan ikke brukes. Svaret har en fast rekkefølge; sorter det etterpå."),
    TokenType.LIMIT: _("Linje {line}, tegn {column}: LIMIT kan ikke brukes. Alle grupper besvares."),
    TokenType.OVER: _("Linje {line}, tegn {column}: Vindusfunksjoner kan ikke brukes. Skriv GROUP BY."),
    TokenType.INNER: _("Linje {line}, tegn {column}: Skriv LEFT JOIN: personer uten rader i den andre tabellen blir med."),
    TokenType.RIGHT: _("Linje {line}, tegn {column}: Skriv LEFT JOIN: personer uten rader i den andre tabellen blir med."),
    TokenType.FULL: _("Linje {line}, tegn {column}: Skriv LEFT JOIN: personer uten rader i den andre tabellen blir med."),
    TokenType.CROSS: _("Linje {line}, tegn {column}: Skriv LEFT JOIN: personer uten rader i den andre tabellen blir med."),
    TokenType.LIKE: _("Linje {line}, tegn {column}: LIKE kan ikke brukes. Skriv LEFT(kolonne, lengde) IN (…) med offentlige koder."),
    TokenType.IS: _("Linje {line}, tegn {column}: IS kan ikke brukes. En manglende verdi oppfyller ingen vilkår."),
    TokenType.DCOLON: _("Linje {line}, tegn {column}: Typer kan ikke endres. Skriv kolonnen som den er."),
    TokenType.SEMICOLON: _("Linje {line}, tegn {column}: Det kan bare være én setning."),
}  # fmt: skip
KEPT = frozenset({
    TokenType.SELECT, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.LEFT, TokenType.OUTER, TokenType.JOIN,
    TokenType.USING, TokenType.ON, TokenType.ALIAS, TokenType.AND, TokenType.OR, TokenType.NOT, TokenType.IN, TokenType.BETWEEN,
    TokenType.CASE, TokenType.WHEN, TokenType.THEN, TokenType.ELSE, TokenType.END, TokenType.DISTINCT, TokenType.FILTER,
    TokenType.VAR, TokenType.IDENTIFIER, TokenType.STRING, TokenType.NUMBER, TokenType.TRUE, TokenType.FALSE, TokenType.NULL,
    TokenType.L_PAREN, TokenType.R_PAREN, TokenType.L_BRACKET, TokenType.R_BRACKET, TokenType.COMMA, TokenType.DOT, TokenType.STAR,
    TokenType.PLUS, TokenType.DASH, TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE,
    TokenType.FARROW, TokenType.HINT,
})  # fmt: skip
OPEN = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.CASE})
SHUT = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.END})
AGAIN = frozenset({TokenType.NOT, TokenType.DASH})
NO_NAME = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.STRING, TokenType.NUMBER})


class Closed(Dialect):
    """A dialect without functions of its own and without types: every call is a name and arguments."""

    class Parser(parser.Parser):
        """sqlglot's parser, which knows nothing by name but EXTRACT."""

        FUNCTIONS: ClassVar = {}
        NO_PAREN_FUNCTIONS: ClassVar = {}
        FUNCTION_PARSERS: ClassVar = {"EXTRACT": parser.Parser.FUNCTION_PARSERS["EXTRACT"]}
        TYPE_TOKENS: ClassVar = set()


def parsed(text: object) -> exp.Select:
    """Return the one SELECT that `text` is. Raises `Invalid` for anything else, however it is written."""
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        message = _("SQL-en må være en tekst på høyst {most} tegn.")
        raise Invalid((Problem(message, "sql", params={"most": LONGEST}),), WHOLE)
    dialect = Closed()
    try:
        tokens = dialect.tokenize(text)
    except (SqlglotError, RecursionError, ValueError):
        raise refusal(
            Place(), _("SQL-en kan ikke leses. Er det en anførsel eller kommentar som ikke er avsluttet?")
        ) from None
    screened = list(_screened(tokens))
    try:
        found = dialect.parser().parse(screened, text)
    except SqlglotError as error:
        raise refusal(_place_in(error), _("Linje {line}, tegn {column}: SQL-en kan ikke leses herfra.")) from None
    except (RecursionError, ValueError, TypeError, AttributeError, IndexError, KeyError):
        raise refusal(Place(), _("SQL-en kan ikke leses.")) from None
    if len(found) != 1 or not isinstance(found[0], exp.Select):
        raise refusal(Place(), _("SQL-en må være én SELECT-setning."))
    return found[0]


def _screened(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens that may be parsed; words that mean nothing here are names. Raises `Invalid`."""
    if tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens = tokens[:-1]
    if len(tokens) > MOST_TOKENS:
        raise refusal(_at(tokens[MOST_TOKENS]), _("Linje {line}, tegn {column}: SQL-en er for lang."))
    depth = run = 0
    for i, token in enumerate(tokens):
        after = tokens[i + 1].token_type if i + 1 < len(tokens) else None
        kind = token.token_type
        if kind is TokenType.DATE and after is TokenType.STRING:
            continue  # DATE '2020-01-01' is the date as it is written
        letter = _letter(token, kind, after)
        depth += (letter.token_type in OPEN) - (letter.token_type in SHUT)
        run = run + 1 if letter.token_type in AGAIN else 0
        if depth > DEEPEST or run > LONGEST_RUN:
            raise refusal(_at(token), _("Linje {line}, tegn {column}: SQL-en har for mange nivåer inni hverandre."))
        yield letter


def _letter(token: Token, kind: TokenType, after: TokenType | None) -> Token:
    if after is TokenType.FARROW and kind not in NO_NAME:
        return _name(token)
    if kind in SPECIAL:
        raise refusal(_at(token), SPECIAL[kind])
    if kind in KEPT:
        return token
    if kind in parser.Parser.ID_VAR_TOKENS:
        return _name(token)
    raise refusal(_at(token), CANNOT, construct=kind.name)


def _name(token: Token) -> Token:
    """Return a word as a name; one that was quoted stays so."""
    kind = TokenType.IDENTIFIER if token.token_type is TokenType.IDENTIFIER else TokenType.VAR
    return Token(kind, token.text, token.line, token.col, token.start, token.end)


def _at(token: Token) -> Place:
    return Place(token.line, max(1, token.col - token.end + token.start))


def _place_in(error: SqlglotError) -> Place:
    """Return the place that sqlglot names; its words quote the text and stay here."""
    for each in getattr(error, "errors", ()):
        if each.get("line") and each.get("col"):
            return Place(int(each["line"]), max(1, int(each["col"]) - len(each.get("highlight") or "x") + 1))
    return Place()
