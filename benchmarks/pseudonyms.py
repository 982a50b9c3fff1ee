"""Pseudonymising: ids a CPU second, beside a bare AES pass over as many blocks and the keyed alternatives.

The alternatives: HMAC-SHA-256 by polars-hash (columns at a time), deterministic AEAD by Tink and HMAC by the standard
library (one id after the other). The bare pass is a floor that cannot be reached: checking and packing move as many bytes
as the cipher does. It and ours write to a buffer that is there already, as extraction does.
Runs are interleaved, so that what else the machine does hits all of them alike; the ratio is the median of the pairs'.
"""

import argparse
import gc
import hashlib
import hmac
import json
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from hvelv.privacy.adapters.pseudonyms import PersonCipher

KEY = bytes(range(32))
COLUMN = 1_000_000  # ids hashed as a column
SAMPLE = 200_000  # ids hashed one by one; the rate does not depend on how many


def cpu_seconds(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


def some_ids(count: int) -> pa.Array:
    numbers = np.random.default_rng(1).integers(0, 10**11, count)
    digits = (numbers[:, None] // 10 ** np.arange(10, -1, -1)) % 10 + ord("0")
    offsets = np.arange(0, 11 * (count + 1), 11, dtype=np.int64)
    return pa.LargeStringArray.from_buffers(
        count, pa.py_buffer(offsets), pa.py_buffer(digits.astype(np.uint8).tobytes())
    )


def polars_hmac(ids: pa.Array) -> Callable[[], object]:
    """Return a keyed hash of a whole column."""
    import polars as pl
    import polars_hash

    frame = pl.DataFrame({"id": ids.slice(0, COLUMN)})
    asked = polars_hash.col("id").chash.hmac_sha256(key=KEY.hex())
    return lambda: frame.select(asked)


def tink_daead(texts: list[str]) -> Callable[[], object]:
    """Return AES-SIV of each id."""
    import tink
    from tink import daead

    daead.register()
    primitive = tink.new_keyset_handle(daead.deterministic_aead_key_templates.AES256_SIV).primitive(
        daead.DeterministicAead
    )
    raw = [text.encode() for text in texts]
    return lambda: [primitive.encrypt_deterministically(one, b"") for one in raw]


def contenders(ids: pa.Array) -> Mapping[str, tuple[Callable[[], object], int]]:
    blocks = np.zeros(16 * len(ids), np.uint8)
    out = np.empty(16 * (len(ids) + 1), np.uint8)
    texts = ids.slice(0, SAMPLE).to_pylist()

    own = np.empty(16 * (len(ids) + 1), np.uint8)

    def bare() -> object:
        return Cipher(algorithms.AES(KEY), modes.ECB()).encryptor().update_into(blocks.data, out.data)  # noqa: S305

    def hashed() -> object:
        return [hmac.digest(KEY, text.encode(), hashlib.sha256) for text in texts]

    return {
        "ours": (lambda: PersonCipher(KEY).blocks(ids, own), len(ids)),
        "bare aes": (bare, len(ids)),
        "polars-hash hmac-sha256": (polars_hmac(ids), min(len(ids), COLUMN)),
        "tink deterministic aead": (tink_daead(texts), len(texts)),
        "hmac-sha256": (hashed, len(texts)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ids", type=int, default=50_000_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    ways = contenders(some_ids(given.ids))
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(given.runs + 1):
        for name, (work, count) in ways.items():
            rate = count / cpu_seconds(work)
            if run:  # the first warms up
                rates[name].append(rate)
    goals = {"bare aes": 0.4, "polars-hash hmac-sha256": 15, "tink deterministic aead": 15, "hmac-sha256": 15}
    for against, goal in goals.items():
        ratio = statistics.median(a / b for a, b in zip(rates["ours"], rates[against], strict=True))
        line = {
            "bench": "pseudonyms",
            "value": round(statistics.median(rates["ours"])),
            "unit": "ids/cpu-s",
            "ratio": round(ratio, 3),
            "against": against,
            "goal": f">= {goal}",
            "n": given.runs,
        }
        print(json.dumps(line))


if __name__ == "__main__":
    main()
