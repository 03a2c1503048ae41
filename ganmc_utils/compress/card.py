"""The model card: what the files are, how good, how large and how fast, and where they end."""

import textwrap

import numpy as np
import sklearn

from ganmc_utils.compress.columns import Columns
from ganmc_utils.compress.measures import METRICS
from ganmc_utils.compress.report import Report
from ganmc_utils.compress.search import Choice

CARD = """# Model card

{verdict}

## What it is

A student ({student}) of {n_columns} raw columns{task}. Its teacher: {teacher}. It learned
{lesson}. {chosen}

## Files

| File | Bytes | What it is |
|:--|--:|:--|
{files}

{agreement}

## Use

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
rows = {{
{inputs}
}}
{output} = session.run(["{output}"], rows)[0]
```

{order}A missing number is `np.nan`, a missing category `""`; units are those of the data, nothing
is to be standardized. `model.skops` is the same for scikit-learn {version}, of a DataFrame:

```python
import skops.io

pipeline = skops.io.load("model.skops", trusted=skops.io.get_untrusted_types(file="model.skops"))
```

Look at the list of types before you trust a file that is not your own.{c_words}

## Data

{n_train:,} training rows, {n_validation:,} on which source and student were chosen, {n_report:,}
for the scores below. {target}

| Column | Holds |
|:--|:--|
{columns}

## Scores

On the {n_report:,} report rows, with intervals that hold 95% of bootstrap resamples. A loss is the
teacher's {metric} minus the model's.

{table}

{facts}

{latency}

## Limits

- The scores hold for rows like these. The student is no better than its teacher where both have
  seen nothing alike.
- A category that training did not have counts as missing.
- Each number counts as float32.
{limits}"""

WHAT = {
    "model.onnx": "raw columns in, predictions out (ONNX)",
    "model.skops": "a scikit-learn Pipeline of a raw DataFrame",
    "model.c": "C99 without dependencies",
    "rules.txt": "the tree as rules",
}
LESSONS = {  # by the name of training rows
    "labels": "the labels of training rows",
    "train": "the teacher's predictions for training rows",
    "train_oob": "the teacher's out-of-bag predictions for training rows",
}
C_WORDS = """ `model.c` needs no library but
the mathematical one (`cc -O2 -c model.c`); its last function, `compressed`, takes a raw row, and
the comment above it says in which order."""


def model_card(compressor, contents: dict[str, str | bytes], agreement: str) -> str:
    """The card of a fitted compressor, as Markdown.

    Args:
        compressor: fitted.
        contents: of the files beside the card, by name.
        agreement: how well the ONNX file agrees with the estimator.
    """
    report: Report = compressor.report_
    columns, parts, choice = compressor.columns_, compressor.parts_, compressor.choice_
    classes = parts.judge.classes
    sizes = {name: len(c.encode() if isinstance(c, str) else c) for name, c in contents.items()}
    facts = [f"The student agrees with the teacher on the report rows: {report.fidelity:.3f}"]
    facts[0] += " of the classes." if classes is not None else " (R squared)."
    facts += [
        f"Expected calibration error of the {model}: {error:.3f}."
        for model, error in report.calibration.items()
    ]
    return CARD.format(
        verdict=report.verdict,
        student=choice.trial.design.words(),
        n_columns=len(columns.names_),
        task=""
        if classes is None
        else f", which gives the probabilities of {len(classes)} classes",
        teacher=teacher_words(compressor),
        lesson=lesson_words(choice),
        chosen=choice.words,
        files="\n".join(f"| `{name}` | {size:,} | {WHAT[name]} |" for name, size in sizes.items()),
        agreement=agreement,
        inputs=example(columns),
        output="value" if classes is None else "probabilities",
        order=order_of_classes(classes),
        version=sklearn.__version__,
        c_words=C_WORDS if "model.c" in contents else "",
        n_train=len(parts.x_train),
        n_validation=len(parts.judge.x),
        n_report=len(parts.x_report),
        target=target_words(compressor),
        columns=column_table(columns),
        metric=METRICS[report.metric],
        table=report.table(),
        facts=" ".join(facts),
        latency=report.latency_table(),
        limits="".join(f"- {warning}\n" for warning in report.warnings),
    )


def order_of_classes(classes: np.ndarray | None) -> str:
    """Which probability is whose; "" of a regression."""
    if classes is None:
        return ""
    names = ", ".join(f"`{name}`" for name in classes)
    line = f"The probabilities are those of {names}, in this order; the output `label` has the most"
    return f"{line}\nprobable class.\n\n"


def lesson_words(choice: Choice) -> str:
    """What the student learned: targets and rows."""
    lessons = [
        LESSONS.get(source, f"the teacher's predictions for rows of the source {source}")
        for source in choice.source.split("+")
    ]
    in_halves = ", half of each" if len(lessons) > 1 else ""
    return f"{' and '.join(lessons)} ({choice.n_queries:,} rows{in_halves})"


def teacher_words(compressor) -> str:
    """Who the teacher is."""
    teacher = compressor.teacher_
    name = "a function" if teacher.model is None else type(teacher.model).__name__
    nodes = teacher.n_nodes()
    size = f" of {nodes:,} nodes" if nodes else ""
    return f"{name}{size}, {'given' if teacher.is_given else 'fitted to the training rows'}"


def target_words(compressor) -> str:
    """What the target is like in the training rows."""
    y, classes = compressor.parts_.y_train, compressor.parts_.judge.classes
    if classes is None:
        return f"The target: {y.mean():.4g} ± {y.std():.4g} (mean, standard deviation)."
    shares = np.bincount(y, minlength=len(classes)) / len(y)
    each = ", ".join(f"{name} {share:.1%}" for name, share in zip(classes, shares))
    return f"Classes of the training rows: {each}."


def column_table(columns: Columns) -> str:
    """The raw columns, a line each."""
    lines = {}
    for j in columns.numbers_:
        missing = ", some missing in training" if j in columns.flagged_ else ""
        lines[j] = f"| {columns.names_[j]} | number{missing} |"
    for j, kinds in zip(columns.categories_, columns.kinds_):
        names = ", ".join(f"`{kind}`" for kind in kinds)
        lines[j] = f"| {columns.names_[j]} | one of {names} |"
    return "\n".join(lines[j] for j in sorted(lines))


def example(columns: Columns) -> str:
    """An input that runs: the median of each number, the first of each category; no real row."""
    names = np.array(columns.names_, object)
    lines = []
    if columns.numbers_:
        medians = columns.transformer_.named_transformers_["numbers"].statistics_
        values = ", ".join(f"{median:.6g}" for median in medians)
        lines.append(wrapped(", ".join(names[columns.numbers_]), "    # "))
        lines.append('    "numbers": np.array([[')
        lines.append(wrapped(values, "        "))
        lines.append("    ]], np.float32),")
    if columns.categories_:
        kinds = [str(kinds[0]) for kinds in columns.kinds_]
        lines.append(wrapped(", ".join(names[columns.categories_]), "    # "))
        lines.append(f'    "categories": np.array([{kinds!r}], object),')
    return "\n".join(lines)


def wrapped(text: str, start: str) -> str:
    """Text in lines of at most 96 columns, each with the same start."""
    return textwrap.fill(text, 96, initial_indent=start, subsequent_indent=start)
