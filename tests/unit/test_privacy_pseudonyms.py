"""One block for each id, the same as AES says one by one; keys that open nothing but their own."""

import ast
import base64
import secrets
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import hvelv.privacy.service.keys as keys_module
from hvelv.kernel.errors import NotPossible
from hvelv.privacy.adapters.kek import LocalKek
from hvelv.privacy.adapters.membership import Members
from hvelv.privacy.adapters.pseudonyms import PersonCipher
from hvelv.privacy.domain.identifiers import BadIdentifiers, IdKind
from tests.builders_privacy import KEK, a_person_number

KEY = bytes(range(32))
NUMBERS = [a_person_number(number) for number in range(1_000)]


def one_by_one(number, key=KEY):
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - one block
    return encryptor.update(b"F1\0\0\0" + number.encode())


def test_whole_buffers_give_what_one_id_at_a_time_gives():
    blocks = PersonCipher(KEY).blocks(pa.array(NUMBERS))

    assert blocks.tobytes() == b"".join(map(one_by_one, NUMBERS))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_slices_chunks_and_kinds_of_text_make_no_difference(kind):
    ids = pa.array(NUMBERS, kind)
    cipher = PersonCipher(KEY)
    whole = cipher.blocks(ids)

    assert (cipher.blocks(ids.slice(7, 90)) == whole[7:97]).all()
    assert (cipher.blocks(pa.chunked_array([ids.slice(0, 3), ids.slice(3)])) == whole).all()
    assert len(cipher.blocks(ids.slice(0, 0))) == 0


def test_more_ids_than_a_chunk_holds(monkeypatch):
    monkeypatch.setattr("hvelv.privacy.adapters.pseudonyms.CHUNK", 64)

    assert PersonCipher(KEY).blocks(pa.array(NUMBERS)).tobytes() == b"".join(map(one_by_one, NUMBERS))


def test_only_the_same_key_and_kind_leads_back():
    blocks = PersonCipher(KEY).blocks(pa.array(NUMBERS))

    assert PersonCipher(KEY).ids(blocks).to_pylist() == NUMBERS
    for other in (PersonCipher(secrets.token_bytes(32)), PersonCipher(KEY, IdKind(b"L1\0\0\0"))):
        with pytest.raises(BadIdentifiers):
            other.ids(blocks)


def test_rekeying_gives_what_the_other_key_gives():
    one, other = PersonCipher(KEY), PersonCipher(secrets.token_bytes(32))
    ids = pa.array(NUMBERS)

    assert (one.rekeyed(one.blocks(ids), other) == other.blocks(ids)).all()


def test_members_are_found_by_their_whole_block():
    blocks = PersonCipher(KEY).blocks(pa.array(NUMBERS))
    wanted = blocks[[3, 9]].copy()
    wanted[1, 1] ^= 1  # shares the first half only
    keep = np.ones(len(blocks), np.bool_)

    Members(wanted).drop(blocks, keep)

    assert np.flatnonzero(~keep).tolist() == [3]


def test_a_changed_number_stands_for_the_new_one_and_no_other_row_is_touched():
    blocks = PersonCipher(KEY).blocks(pa.array(NUMBERS))
    before = blocks.copy()

    Members(before[[5, 7]], before[[1, 2]]).replace(blocks)

    assert (blocks[[5, 7]] == before[[1, 2]]).all()
    others = np.setdiff1d(np.arange(len(blocks)), [5, 7])
    assert (blocks[others] == before[others]).all()


@pytest.mark.parametrize("letter", [*b"/:", 0, 0x20, 0x2A, 0x7F, 0x80, 0xB9, 0xBA, 0xF5, 0xFF])
@pytest.mark.parametrize("place", range(11))
def test_a_byte_that_is_no_digit_is_refused_wherever_it_stands(letter, place):
    raw = bytearray("".join(NUMBERS[:20]).encode())
    raw[5 * 11 + place] = letter
    offsets = np.arange(0, 11 * 21, 11, dtype=np.int32)
    ids = pa.StringArray.from_buffers(20, pa.py_buffer(offsets), pa.py_buffer(bytes(raw)))

    with pytest.raises(BadIdentifiers):
        PersonCipher(KEY).blocks(ids)


@pytest.mark.attack("PS02")
def test_no_pseudonym_is_made_by_a_hash():
    """Nothing that handles a person's number knows a hash function; SHA-256 is used on files alone."""
    package = Path(keys_module.__file__).resolve().parents[1]
    for name in ("adapters/pseudonyms.py", "service/optouts.py", "service/keys.py", "domain/identifiers.py"):
        tree = ast.parse((package / name).read_text())
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        imported = {
            a.name for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) for a in node.names
        }
        assert not (used | imported) & {"hashlib", "hmac", "hash", "md5", "sha1", "sha256", "blake2b", "digest"}


@pytest.mark.attack("PS03")
def test_two_projects_share_no_block():
    ids = pa.array(NUMBERS)
    one, other = (PersonCipher(secrets.token_bytes(32)).blocks(ids) for _ in range(2))

    assert not set(one[:, 0].tolist()) & set(other[:, 0].tolist())


def test_a_wrapped_key_opens_only_in_its_own_place():
    kek = LocalKek(KEK)
    wrapped = kek.wrap(KEY, "project:p-one")

    assert kek.unwrap(wrapped, "project:p-one") == KEY
    assert KEY not in wrapped
    assert kek.wrap(KEY, "project:p-one") != wrapped
    other = LocalKek(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    for custodian, context in ((kek, "project:p-two"), (other, "project:p-one")):
        with pytest.raises(NotPossible):
            custodian.unwrap(wrapped, context)


@pytest.mark.parametrize("secret", ["", "short", "!" * 43, base64.b64encode(bytes(16)).decode()])
def test_a_weak_wrapping_key_is_refused_at_start(secret):
    with pytest.raises(ValueError, match="kek"):
        LocalKek(secret)
