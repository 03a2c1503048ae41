"""Trees, forests and boosted trees as C (by treelite and tl2cgen), with the columns before them."""

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np
import tl2cgen
import treelite
from sklearn.base import BaseEstimator, is_classifier
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from ganmc_utils.compress.columns import UNKNOWN, Columns

# Before tl2cgen's own `predict`, which takes a row of the matrix.
ENCODER = """
/* {about} */

static const int n_numbers = {n_numbers}, n_flags = {n_flags}, n_categories = {n_categories};
static const float medians[] = {{{medians}}};  /* of the numbers, where one is missing */
static const int flagged[] = {{{flagged}}};  /* numbers that have a flag */

void compressed(const float *numbers, const int *categories, double *result) {{
  union Entry row[{width}];
  int k;
  for (k = 0; k < n_numbers; ++k) {{
    row[k].fvalue = isnan(numbers[k]) ? medians[k] : numbers[k];
  }}
  for (k = 0; k < n_flags; ++k) {{
    row[n_numbers + k].fvalue = isnan(numbers[flagged[k]]) ? 1.0 : 0.0;
  }}
  for (k = 0; k < n_categories; ++k) {{
    row[n_numbers + n_flags + k].fvalue = categories[k];
  }}
  for (k = 0; k < {n_results}; ++k) result[k] = 0.0;
  predict(row, 0, result);
{ending}}}
"""
BOTH_CLASSES = """  result[1] = result[0];
  result[0] = 1.0 - result[1];
"""


def c_source(columns: Columns, student: BaseEstimator, classes: np.ndarray | None) -> str:
    """One file of C99 without dependencies (compile it with -lm).

        void compressed(const float *numbers, const int *categories, double *result);

    numbers: the columns of numbers in their order, NAN where missing. categories: their codes, -1
    where missing or unknown. result: K probabilities, or one value.

    Args:
        columns: raw columns -> matrix.
        student: a tree, a forest or boosted trees of scikit-learn.
        classes: names of the classes; None for a regression.
    """
    model = treelite.sklearn.import_model(as_forest(student))
    with tempfile.TemporaryDirectory() as folder:
        with redirect_stdout(io.StringIO()), without_notes():
            tl2cgen.generate_c_code(model, folder, params={"parallel_comp": 0})
        header = Path(folder, "header.h").read_text()
        body = Path(folder, "main.c").read_text().replace('#include "header.h"', "")
    n_numbers = len(columns.numbers_)
    medians, flagged = np.zeros(0), [columns.numbers_.index(j) for j in columns.flagged_]
    if n_numbers:
        medians = columns.transformer_.named_transformers_["numbers"].statistics_
    one_output = hasattr(student, "_predictors") and classes is not None and len(classes) == 2
    encoder = ENCODER.format(
        about=about(columns, classes),
        n_numbers=n_numbers,
        n_flags=len(flagged),
        n_categories=len(columns.categories_),
        medians=", ".join(float32_text(m) for m in medians) or "0",
        flagged=", ".join(map(str, flagged)) or "0",
        width=len(columns.is_category_),
        n_results=1 if classes is None else len(classes),
        ending=BOTH_CLASSES if one_output else "",
    )
    return header + body + encoder


@contextmanager
def without_notes() -> Iterator[None]:
    """Drop what is written to standard error, by libraries in C as well.

    tl2cgen notes at each call that treelite is newer than itself; the tests compare predictions.
    """
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def float32_text(number: float) -> str:
    """A float32 number as C reads it back without loss."""
    return f"{np.float32(number):.9e}f"


def about(columns: Columns, classes: np.ndarray | None) -> str:
    """What goes in and comes out, for a comment."""
    names = np.array(columns.names_, object)
    lines = [f"numbers: {', '.join(names[columns.numbers_]) or 'none'}"]
    for j, kinds in zip(columns.categories_, columns.kinds_):
        codes = ", ".join(f"{code} {kind}" for code, kind in enumerate(kinds))
        lines.append(f"category {names[j]}: {codes}; {UNKNOWN} missing or unknown")
    out = "the value" if classes is None else "probabilities of " + ", ".join(map(str, classes))
    return "\n   ".join([*lines, f"result: {out}"]).replace("*/", "* /")


def as_forest(student: BaseEstimator) -> BaseEstimator:
    """What treelite imports: a single tree becomes a forest of one."""
    if not hasattr(student, "tree_"):
        return student
    kind = RandomForestClassifier if is_classifier(student) else RandomForestRegressor
    forest = kind(n_estimators=1)
    forest.estimators_ = [student]
    forest.n_features_in_ = student.n_features_in_
    forest.n_outputs_ = student.n_outputs_
    if is_classifier(student):
        forest.classes_, forest.n_classes_ = student.classes_, student.n_classes_
    return forest
