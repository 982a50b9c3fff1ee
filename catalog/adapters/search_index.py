"""The search index: tantivy in memory, one document a variable and one a dataset.

Norwegian compounds are what plain stemming misses (`blodtrykk` gave no hit at all), so each word is indexed as
written, by its stems, and backwards: a word then finds what begins with it (`lever` → `leversykdom`) and what ends
with it (`sykdom` → `leversykdom`).
"""

from collections.abc import Iterable

import tantivy

from hvelv.catalog.domain.analysis import (
    LONGEST_QUERY,
    MOST_WORDS,
    settled,
    text_of_dataset,
    text_of_variable,
    words,
)
from hvelv.catalog.domain.dataset import Dataset

SHORTEST_START, SHORTEST_END = 3, 4
EXACT, STEMMED, BEGINS, ENDS = 4.0, 3.0, 2.0, 1.0
OWN, CONTEXT = 3.0, 1.0
MOST_DOCUMENTS = 20_000
HEAP = 15_000_000  # tantivy's least


def _stemmer(language: str) -> tantivy.TextAnalyzer:
    simple = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    return simple.filter(tantivy.Filter.stemmer(language)).build()


class TantivyIndex:
    """An index of one state of the catalogue."""

    def __init__(self, datasets: Iterable[Dataset] = ()) -> None:
        self._stemmers = (_stemmer("norwegian"), _stemmer("english"))
        builder = tantivy.SchemaBuilder()
        for field in ("dataset", "variable"):
            builder.add_text_field(field, stored=True, tokenizer_name="raw")
        for field in ("own", "own_back", "context", "context_back"):
            builder.add_text_field(field, tokenizer_name="spaced")
        self._schema = builder.build()
        self._index = tantivy.Index(self._schema)
        spaced = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        self._index.register_tokenizer("spaced", spaced)
        writer = self._index.writer(HEAP, 1)
        for dataset in datasets:
            about = text_of_dataset(dataset)
            writer.add_document(self._document(dataset, "", about, ""))
            for variable in dataset.variables:
                writer.add_document(self._document(dataset, variable.name, text_of_variable(variable), about))
        writer.commit()
        self._index.reload()
        writer.wait_merging_threads()

    def search(self, query: str) -> list[tuple[str, str, float]]:
        """Return (dataset, variable or "", score), best first, for texts that have every word of `query`."""
        wanted = words(query[:LONGEST_QUERY])[:MOST_WORDS]
        if not wanted:
            return []
        every = [(tantivy.Occur.Must, self._either(word)) for word in wanted]
        own = tantivy.Query.boolean_query([(tantivy.Occur.Should, self._in_field("own", word)) for word in wanted])
        searcher = self._index.searcher()
        found = searcher.search(tantivy.Query.boolean_query([*every, (tantivy.Occur.Must, own)]), MOST_DOCUMENTS)
        hits: list[tuple[str, str, float]] = []
        for score, address in found.hits:
            document = searcher.doc(address)
            hits.append((document["dataset"][0], document["variable"][0], float(score)))
        return hits

    def _document(self, dataset: Dataset, variable: str, own: str, context: str) -> tantivy.Document:
        return tantivy.Document(
            dataset=dataset.id,
            variable=variable,
            own=" ".join(self._forms(own)),
            own_back=" ".join(form[::-1] for form in self._forms(own)),
            context=" ".join(self._forms(context)),
            context_back=" ".join(form[::-1] for form in self._forms(context)),
        )

    def _stems(self, word: str) -> set[str]:
        return {settled(stem) for stemmer in self._stemmers for stem in stemmer.analyze(word)}

    def _forms(self, text: str) -> list[str]:
        return [form for word in words(text) for form in (word, *(self._stems(word) - {word}))]

    def _either(self, word: str) -> tantivy.Query:
        own, context = self._in_field("own", word), self._in_field("context", word)
        return tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Should, tantivy.Query.boost_query(own, OWN)),
                (tantivy.Occur.Should, tantivy.Query.boost_query(context, CONTEXT)),
            ]
        )

    def _in_field(self, field: str, word: str) -> tantivy.Query:
        """Return the query for one word. It is letters and digits only, so it is its own regular expression."""
        term, regex, boost = tantivy.Query.term_query, tantivy.Query.regex_query, tantivy.Query.boost_query
        ways = [boost(term(self._schema, field, word), EXACT)]
        for stem in sorted(self._stems(word)):
            ways.append(boost(term(self._schema, field, stem), STEMMED))
            if len(stem) >= SHORTEST_END:
                ways.append(boost(regex(self._schema, f"{field}_back", stem[::-1] + ".*"), ENDS))
        if len(word) >= SHORTEST_START:
            ways.append(boost(regex(self._schema, field, word + ".*"), BEGINS))
        return tantivy.Query.disjunction_max_query(ways)
