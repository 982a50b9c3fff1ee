"""Loops over rows that are sorted, compiled to machine code."""

import math
from typing import Any

import numpy as np

from hvelv.privacy.adapters.compiled import compiled

NOBODY, MANY = -1, -2  # instead of an owner


def _append(keys: Any, codes: Any, radix: int) -> None:
    """Put a code behind each key, in mixed radix."""
    size = np.uint64(radix)
    for i in range(len(keys)):
        keys[i] = keys[i] * size + np.uint64(codes[i])


append = compiled(_append)


def _divide(packed: Any, width: int, keys: Any, begins: Any, person: Any) -> tuple[int, int]:
    """Write the distinct keys, where the persons of each begin, and these; returns how many keys and persons.

    `packed`: key and person in the last `width` bits, ascending.
    """
    classes = persons = 0
    shift, low = np.uint64(width), np.uint64((1 << width) - 1)
    for i in range(len(packed)):
        if i > 0 and packed[i] == packed[i - 1]:
            continue
        key = packed[i] >> shift
        if classes == 0 or key != keys[classes - 1]:
            keys[classes] = key
            begins[classes] = persons
            classes += 1
        person[persons] = packed[i] & low
        persons += 1
    return classes, persons


divide = compiled(_divide)


def _lower(smallest: Any, begins: Any, person: Any, sizes: Any) -> None:
    """Let no person's number be above that of a class they are in. `begins` has the end of the last, too."""
    for k in range(len(begins) - 1):
        for i in range(begins[k], begins[k + 1]):
            smallest[person[i]] = min(smallest[person[i]], sizes[k])


lower = compiled(_lower)


def _expose(begins: Any, person: Any, distinct: Any, exposed: Any) -> None:
    """Mark the persons of classes with one value."""
    for k in range(len(begins) - 1):
        if distinct[k] == 1:
            for i in range(begins[k], begins[k + 1]):
                exposed[person[i]] = True


expose = compiled(_expose)


def _n_log_n(n: int, logs: Any) -> float:
    return float(logs[n]) if n < len(logs) else n * math.log(n)


n_log_n = compiled(_n_log_n)


def _compare(  # noqa: PLR0917 - compiled, where names are not kept
    begins: Any, value: Any, rank: Any, share: Any, up_to: Any, running: Any, logs: Any, ordered: Any, distinct: Any
) -> tuple[float, float]:
    """Return the least entropy of a class and the farthest that one is from the whole; write how many values each has.

    `value`: of each person of a class, ascending in a class if `ordered`; `rank`: its place in `share`, which is the whole's.
    `up_to`: the whole's running share without the last, which is 1; `running`: its running sum, from 0.
    `logs`: n log n of the first whole numbers.
    """
    seen, met = np.zeros(len(share), np.int64), np.zeros(len(share), np.int64)
    least, farthest, last = math.inf, 0.0, len(share) - 1
    for k in range(len(begins) - 1):
        found, size = 0, begins[k + 1] - begins[k]
        for i in range(begins[k], begins[k + 1]):
            place = rank[value[i]]
            if seen[place] == 0:
                met[found] = place
                found += 1
            seen[place] += 1
        entropy, apart, own, level = n_log_n(size, logs), 0.0, 0.0, 0.0
        if ordered:
            apart = running[met[0]]
        for j in range(found):
            here = seen[met[j]] / size
            entropy -= n_log_n(seen[met[j]], logs)
            seen[met[j]] = 0
            if ordered:
                level += here
                start, until = min(met[j], last), met[j + 1] if j + 1 < found else last
                cross = min(max(np.searchsorted(up_to, level), start), until)
                apart += level * (cross - start) - (running[cross] - running[start])
                apart += running[until] - running[cross] - level * (until - cross)
            else:
                apart += abs(here - share[met[j]])
                own += share[met[j]]
        distinct[k] = found
        least = min(least, entropy / size)
        farthest = max(farthest, apart / max(last, 1) if ordered else (apart + 1 - own) / 2)
    return least, farthest


compare = compiled(_compare)


def _claim(  # noqa: PLR0917 - compiled, where names are not kept
    owner: Any, a: Any, b: Any, c: Any, d: Any, radix_b: int, radix_c: int, radix_d: int, person: Any
) -> None:
    """Write each row's person where its combination is, `MANY` where another was. `d`: None for three codes."""
    for i in range(len(person)):
        k = (np.int64(a[i]) * radix_b + b[i]) * radix_c + c[i]
        if d is not None:
            k = k * radix_d + d[i]
        held = owner[k]
        if held == NOBODY:
            owner[k] = person[i]
        elif held != person[i]:
            owner[k] = MANY


claim = compiled(_claim)


def _fold(owner: Any, found: Any) -> None:
    """Write the owners of combinations without the middle one of three codes. `owner`: three axes; `found`: two."""
    for a in range(owner.shape[0]):
        for b in range(owner.shape[1]):
            for c in range(owner.shape[2]):
                one, held = owner[a, b, c], found[a, c]
                if held == NOBODY:
                    found[a, c] = one
                elif one != NOBODY and one != held:  # noqa: PLR1714 - compiled
                    found[a, c] = MANY


fold = compiled(_fold)


def _counted_from(values: Any, low: int, codes: Any) -> None:
    """Write how far each value is from the lowest, and one."""
    for i in range(len(values)):
        codes[i] = values[i] - low + 1


counted_from = compiled(_counted_from)


def _lone(owner: Any, seen: Any) -> int:
    """Return how many persons are an owner, and mark them; those already marked do not count."""
    found = 0
    for k in range(len(owner)):
        who = owner[k]
        if who >= 0 and not seen[who]:
            seen[who] = True
            found += 1
    return found


lone = compiled(_lone)


def _repeated(number: Any, keys: Any, within: int, again: Any) -> None:
    """Mark the rows that say what one of the person's last `within` rows said."""
    for i in range(len(number)):
        j = i - 1
        while j >= 0 and j >= i - within and number[j] == number[i]:
            if keys[j] == keys[i]:
                again[i] = True
                break
            j -= 1


repeated = compiled(_repeated)
