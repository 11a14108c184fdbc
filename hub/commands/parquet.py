"""Exported rows as a Parquet file, a group of rows at a time. Needs pyarrow, which comes with `sen[parquet]` only."""

import csv
import itertools
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from hub.commands.asking import fail

_ROWS_PER_GROUP: Final = 100_000
_NUMBERS: Final = {"value"}


def write_parquet(lines: Iterable[str], path: Path) -> int:
    """Write the rows of an exported CSV; returns how many. A file that is there is replaced only when all is written.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet as pq
    except ImportError:
        fail("--parquet needs pyarrow, which is not installed: pip install 'sen[parquet]'")
    rows = csv.reader(lines)
    names = next(rows)
    types = {"time": pa.timestamp("ms", tz="UTC"), "value": pa.float64()}
    schema = pa.schema([(name, types.get(name, pa.dictionary(pa.int32(), pa.string()))) for name in names])
    part = path.with_name(f".{path.name}.part")
    count = 0
    try:
        with pq.ParquetWriter(part, schema) as writer:
            while some := list(itertools.islice(rows, _ROWS_PER_GROUP)):
                columns = [_cells(name, cells) for name, cells in zip(names, zip(*some, strict=True), strict=True)]
                arrays = [pa.array(cells, type=field.type) for cells, field in zip(columns, schema, strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
                count += len(some)
        part.replace(path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return count


def _cells(name: str, cells: tuple[str, ...]) -> list[object]:
    if name == "time":
        return [datetime.fromisoformat(cell) for cell in cells]
    if name in _NUMBERS:
        return [float(cell) if cell else None for cell in cells]
    # The apostrophe is for spreadsheets; no name begins with one of its own.
    return [cell.removeprefix("'") for cell in cells]
