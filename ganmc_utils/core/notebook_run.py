"""What a chapter needs beside its experiment: where to write, what it has stored, its record."""

import sys
import time
from collections.abc import Callable, Iterable
from datetime import date
from math import fsum

import pandas as pd

from ganmc_utils.core import checkpoints, paths, profiles, records
from ganmc_utils.core.parameters import Parameters
from ganmc_utils.core.records import Row
from ganmc_utils.core.store import Store, machine


class NotebookRun:
    """One run of a notebook: it collects rows and ends by saving them as a record.

    Args:
        notebook: its name, for example "02_p_fake_sweep".
        p: its checked parameters.
    """

    def __init__(self, notebook: str, p: Parameters):
        profiles.check_files_of_papermill()
        self.notebook, self.p = notebook, p
        self.out = paths.out_dir(p.out_dir, p.profile)
        self.store = Store(paths.store_dir(self.out))
        checkpoints.save_on_sigterm()
        self.rows: list[Row] = []
        self.checksums: dict[str, str] = {}  # dataset: sha256
        self.started = time.monotonic()

    def add(self, rows: Iterable[Row]) -> None:
        """Collect rows."""
        self.rows += rows

    def add_stored(self, name: str, compute: Callable[[], Iterable[Row]]) -> None:
        """Collect the rows of a unit of work, stored or computed now."""
        self.rows += self.stored_rows(name, compute)

    def stored_rows(self, name: str, compute: Callable[[], Iterable[Row]]) -> list[Row]:
        """The rows of a unit of work, from the store or computed now and stored."""
        stored = self.store.value(name, lambda: [row.model_dump() for row in compute()])
        return [Row(**row) for row in stored]

    def save(self) -> pd.DataFrame:
        """Save the record, say in a line or two what it holds, and return its rows."""
        seconds_of_this_run = time.monotonic() - self.started
        record = records.Record(
            profile=self.p.profile,
            notebook=self.notebook,
            metrics=self.rows,
            parameters=self.p.model_dump(),
            seconds=fsum(self.store.seconds.values()) or seconds_of_this_run,
            seconds_of_this_run=seconds_of_this_run,
            results=dict(sorted(self.store.seconds.items())),
            machines=sorted(self.store.machines),
            hardware=records.hardware(),
            versions=records.versions(),
            data=self.checksums,
            commit=records.commit(),
            date=str(date.today()),
        )
        path = records.save(record, self.out)
        print(self.summary(record))
        # Where it lies is the business of whoever runs it, not of a published page.
        where = f"The record is {path}; tables and figures go to {self.out}."
        print(where, file=sys.stderr)
        return records.as_frame(record)

    def summary(self, record: records.Record) -> str:
        """What was recorded, where it was computed and how long that took."""
        line = f"profile {record.profile}, {len(record.metrics)} rows, commit {record.commit}"
        computed = (
            f"{record.seconds:,.0f} s of computing on {', '.join(record.machines) or machine()}"
        )
        lines = [f"{line}; {computed}"]
        if profiles.is_smoke_test(record):
            lines.append("a smoke test: small data that are not the paper's, no evidence")
        return "\n".join(lines)
