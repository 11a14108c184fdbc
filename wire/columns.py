"""A column of a table in few bytes: integers as a line and small differences, codes as runs, numbers scaled.

A table's rows stand in runs (one run a device), so a column is the first number of each run, and within the runs what
is left when a constant step is taken away. Items, as in `wire.cddl`:

    track   null (no number) | base | [base, step] | [base, step, form, rest]
    column  [track of firsts] | [track of firsts, step] | [track of firsts, step, form, rest]
    runs    null (all zero) | [track of lengths, bytes of codes]

`rest` is a typed array with one integer for every row that is not the first of its run. Form `DIFFERENCE`: what is to
be added to the number before, besides `step`. Form `LINE`: how far the number is from first + step x row in run.
"""

from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import accumulate, chain, islice, repeat
from itertools import count as counting
from operator import sub

from wire import cbor, items
from wire.cbor import Item
from wire.errors import WireError

MAX_NUMBER = 2**53  # every integer up to here is exactly a float
MAX_EXPONENT = 15

_POWERS = tuple(float(10**exponent) for exponent in range(MAX_EXPONENT + 1))
_WIDTHS = ((2**7, cbor.INT8), (2**15, cbor.INT16), (2**31, cbor.INT32), (2**63, cbor.INT64))
_TOO_WIDE = cbor.INT64 + 1


class Form(IntEnum):
    """What the rest of a column counts from."""

    LINE = 0
    DIFFERENCE = 1


def track_item(numbers: Sequence[int]) -> Item:
    """A sequence of integers whose length the reader knows."""
    if not numbers:
        return None
    if len(numbers) == 1:
        return numbers[0]
    return [numbers[0], *_inner_items(numbers, [len(numbers)])]


def track(item: Item, *, count: int) -> list[int]:
    """The `count` integers of a track."""
    if not count:
        if item is not None:
            raise WireError("track: expected nothing for no rows")
        return []
    if count == 1:
        return [_bounded(item, "track")]
    base, *inner = items.array(item, what="track", maximum=4) or [None]
    return spread([_bounded(base, "track base")], inner, [count])


def column_item(numbers: Sequence[int], counts: Sequence[int]) -> Item:
    """A column of integers in runs of `counts` rows, each at least one."""
    starts = list(accumulate(counts[:-1], initial=0))
    firsts = track_item([numbers[start] for start in starts])
    if len(numbers) == len(counts):
        return [firsts]
    return [firsts, *_inner_items(numbers, counts)]


def column(item: Item, counts: Sequence[int]) -> list[int]:
    """The integers of a column whose runs have `counts` rows."""
    firsts, *inner = items.array(item, what="column", maximum=4) or [None]
    return spread(track(firsts, count=len(counts)), inner, counts)


def runs_item(codes: Sequence[int]) -> Item:
    """Codes 0 to 255, one a row, where equal ones are expected to stand together and zero is the rule."""
    if not any(codes):
        return None
    lengths: list[int] = []
    kept = bytearray()
    for code in codes:
        if kept and kept[-1] == code:
            lengths[-1] += 1
        else:
            kept.append(code)
            lengths.append(1)
    return [track_item(lengths), bytes(kept)]


def runs(item: Item, *, count: int) -> list[int] | None:
    """The code of each of `count` rows; None where all are zero."""
    if item is None:
        return None
    lengths_item, codes_item = items.fields(item, what="runs", count=2)
    codes = items.data(codes_item, what="codes of runs")
    if not 0 < len(codes) <= count:
        raise WireError(f"runs: {len(codes)} for {count} rows")
    lengths = track(lengths_item, count=len(codes))
    if min(lengths) < 1 or sum(lengths) != count:
        raise WireError(f"runs: their lengths do not make {count} rows")
    return list(chain.from_iterable(map(repeat, codes, lengths)))


def numbers_item(numbers: Sequence[float], counts: Sequence[int]) -> Item:
    """Numbers as `[exponent, column]` of integers over 10**exponent, or `[null, float64 array]` where none fits."""
    scaled = scaled_integers(numbers)
    if scaled is None:
        floats = [float(number) for number in numbers]
        if floats != list(numbers):
            raise WireError("a value is no float64 exactly")
        return [None, cbor.typed_array(cbor.FLOAT64, floats)]
    exponent, integers = scaled
    return [exponent, column_item(integers, counts)]


def numbers(item: Item, counts: Sequence[int]) -> list[float]:
    """The numbers written by `numbers_item`."""
    exponent_item, packed = items.fields(item, what="numbers", count=2)
    if exponent_item is None:
        return cbor.floats(packed, count=sum(counts))
    divisor = _POWERS[items.integer(exponent_item, what="exponent", maximum=MAX_EXPONENT)]
    return [integer / divisor for integer in column(packed, counts)]


def scaled_integers(numbers: Sequence[float]) -> tuple[int, list[int]] | None:
    """The least exponent e and the integers n with n / 10**e exactly each number, or None where there are none.

    Both n (up to 2**53) and 10**e are exact floats, so the division is rounded once, as the reader's is.
    """
    if not numbers:
        return 0, []
    largest = max(map(abs, numbers))
    doubtful = numbers[0]
    for exponent, power in enumerate(_POWERS):
        if largest * power > MAX_NUMBER:
            return None
        if round(doubtful * power) / power != doubtful:
            continue
        integers = [round(number * power) for number in numbers]
        wrong = next((number for number, n in zip(numbers, integers, strict=True) if n / power != number), None)
        if wrong is None:
            return exponent, integers
        doubtful = wrong
    return None


def _inner_items(numbers: Sequence[int], counts: Sequence[int]) -> list[Item]:
    """What follows the firsts: step, and unless the step says all, form and rest."""
    differences = [list(map(sub, islice(run, 1, None), run)) for run in _split(numbers, counts)]
    flat = list(chain.from_iterable(differences))
    step = sorted(flat)[len(flat) // 2]
    rest = [difference - step for difference in flat]
    if not any(rest):
        return [step]
    inner_counts = [count - 1 for count in counts]
    line = list(chain.from_iterable(accumulate(run) for run in _split(rest, inner_counts)))
    form, chosen = min((Form.DIFFERENCE, rest), (Form.LINE, line), key=lambda candidate: _cost(candidate[1]))
    return [step, form.value, cbor.typed_array(_width(chosen), chosen)]


def spread(firsts: Sequence[int], inner: Sequence[Item], counts: Sequence[int]) -> list[int]:
    """A column again. `firsts` has one integer a run; `inner` is [], [step] or [step, form, rest].

    Raises:
        WireError: not such items, or an integer beyond 2**53.
    """
    inner_rows = sum(counts) - len(counts)
    if not inner_rows:
        items.fields(list(inner), what="rest of a column of single rows", count=0)
        return list(firsts)
    step = _bounded(inner[0] if inner else None, "step", reach=2 * MAX_NUMBER)
    if len(inner) == 1:
        return _checked(chain.from_iterable(map(_from_step, firsts, repeat(step), counts)))
    _, form_item, rest_item = items.fields(list(inner), what="rest of a column", count=3)
    form = items.choice(form_item, what="form", choices=(Form.LINE, Form.DIFFERENCE))
    rest = cbor.integers(rest_item, count=inner_rows)
    spread_run = _from_line if form is Form.LINE else _from_differences
    runs_of_rest = _split(rest, [count - 1 for count in counts])
    return _checked(chain.from_iterable(map(spread_run, firsts, repeat(step), runs_of_rest)))


def _from_step(first: int, step: int, count: int) -> Iterator[int]:
    return islice(counting(first, step), count)


def _from_line(first: int, step: int, rest: Sequence[int]) -> Iterator[int]:
    return chain((first,), (first + step * row + more for row, more in enumerate(rest, start=1)))


def _from_differences(first: int, step: int, rest: Sequence[int]) -> Iterator[int]:
    return accumulate((difference + step for difference in rest) if step else rest, initial=first)


def _split(numbers: Sequence[int], counts: Sequence[int]) -> list[Sequence[int]]:
    ends = accumulate(counts)
    return [numbers[end - count : end] for end, count in zip(ends, counts, strict=True)]


def _checked(numbers: Iterator[int]) -> list[int]:
    whole = list(numbers)
    if max(whole) > MAX_NUMBER or min(whole) < -MAX_NUMBER:
        raise WireError("column: an integer beyond 2**53")
    return whole


def _bounded(item: Item, what: str, *, reach: int = MAX_NUMBER) -> int:
    return items.integer(item, what=what, minimum=-reach, maximum=reach)


def _width(numbers: Sequence[int]) -> int:
    reach = max(*numbers, -1 - min(numbers))
    return next((tag for limit, tag in _WIDTHS if reach < limit), _TOO_WIDE)


def _cost(numbers: Sequence[int]) -> tuple[int, int]:
    """What makes an array longer: first wider numbers, then larger ones. Differences are never too wide."""
    return _width(numbers), sum(map(abs, numbers))
