"""From a misspelled name and the names in scope to those that may have been meant, nearest first."""

from collections.abc import Iterable


def distance(left: str, right: str, limit: int) -> int:
    """Edits between two names (insert, delete, replace, swap neighbours), or ``limit + 1`` if there are more than that.

    The restricted Damerau-Levenshtein distance: no part of the text is edited twice.
    """
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    above = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit and (i == 1 or min(above) > limit):
            return limit + 1
        before, above = above, row
    return min(above[-1], limit + 1)


def closest(name: str, candidates: Iterable[str], count: int = 3) -> list[str]:
    """At most ``count`` candidates that ``name`` may be a slip of, nearest first, then in alphabetical order.

    A third of the letters may be wrong; a difference of case alone is the smallest slip. Names of other lengths, and
    names that share too few letters, are left out before anything is computed.
    """
    limit = max(1, len(name) // 3)
    folded = name.casefold()
    letters = set(folded)
    found: list[tuple[int, str]] = []
    for candidate in set(candidates):
        if abs(len(candidate) - len(name)) > limit or candidate == name or not candidate:
            continue
        other = candidate.casefold()
        if len(letters.difference(other)) > limit:
            continue
        edits = 0 if folded == other else distance(folded, other, limit)
        if edits <= limit and edits < len(name):
            found.append((edits, candidate))
    return [candidate for _, candidate in sorted(found)[:count]]
