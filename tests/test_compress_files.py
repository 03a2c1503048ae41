"""The files of a student work without this package and give its predictions."""

import errno
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from test_compress_estimators import BINARY, MIXED, THREE, VALUE

from ganmc_utils.compress import files
from ganmc_utils.compress.card import lesson_words
from ganmc_utils.compress.estimators import ClassifierCompressor, RegressorCompressor
from ganmc_utils.compress.files import agreement_of, save
from ganmc_utils.compress.search import Choice
from ganmc_utils.compress.students import FAMILIES
from ganmc_utils.core.errors import GanmcError

OPTIONS = {"queries": 1000, "progress": False, "max_nodes": 300}
TARGETS = {"two": BINARY, "three": THREE, "number": VALUE}
BLOCKED = "import sys; sys.modules['ganmc_utils'] = None\n"


def fitted(family, target):
    kind = RegressorCompressor if target == "number" else ClassifierCompressor
    forest = RandomForestRegressor if target == "number" else RandomForestClassifier
    teacher = forest(20, random_state=0)
    return kind(teacher, family, "jitter", **OPTIONS).fit(MIXED, TARGETS[target])


@pytest.fixture(scope="module")
def models():
    """A student of each family, the targets in turn, and trees of every target."""
    chosen = dict(zip(FAMILIES, ["two", "three", "number", "two", "three"]))
    pairs = {
        *chosen.items(),
        ("tree", "two"),
        ("tree", "number"),
        ("boosted", "two"),
        ("boosted", "three"),
    }
    return {pair: fitted(*pair) for pair in sorted(pairs)}


def predictions_of(model, rows):
    return (
        model.predict(rows) if isinstance(model, RegressorCompressor) else model.predict_proba(rows)
    )


def test_onnx_agrees_with_the_estimator_on_fresh_rows(models):
    for pair, model in models.items():
        content = files.onnx_model(model.columns_, model.student_, model.parts_.judge.classes)
        agreement = agreement_of(model, content.SerializeToString())
        assert agreement.n_rows == 10_000
        assert agreement.n_beyond == 0, pair
        assert "agrees with the estimator" in agreement.words()


@pytest.mark.parametrize("pair", [("boosted", "two"), ("tree", "number")])
def test_the_card_loads_the_files_without_this_package(models, pair, tmp_path):
    model = models[pair]
    paths = save(model, tmp_path)
    expected = {"model.onnx", "model.skops", "model.c", "README.md"}
    assert {path.name for path in paths} == expected | (
        {"rules.txt"} if pair[0] == "tree" else set()
    )
    card = (tmp_path / "README.md").read_text()
    onnx_snippet, skops_snippet = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    name = "value" if pair[1] == "number" else "probabilities"
    code = BLOCKED + onnx_snippet + f"print(*{name}.ravel())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    medians = model.columns_.transformer_.named_transformers_["numbers"].statistics_
    row = MIXED.head(1).copy()
    for j, median in zip(model.columns_.numbers_, medians):
        row[MIXED.columns[j]] = float(f"{median:.6g}")
    for j, kinds in zip(model.columns_.categories_, model.columns_.kinds_):
        row[MIXED.columns[j]] = kinds[0]
    ours = predictions_of(model, row).ravel()
    np.testing.assert_allclose(np.array(done.stdout.split(), float), ours, rtol=1e-5, atol=1e-6)

    rows = MIXED.astype({"zone": str, "member": float})
    rows.to_pickle(tmp_path / "rows.pkl")  # of this test alone
    method = "predict" if pair[1] == "number" else "predict_proba"
    code = BLOCKED + "import pandas, numpy\n" + skops_snippet
    code += f"numpy.save('p.npy', pipeline.{method}(pandas.read_pickle('rows.pkl')))"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), predictions_of(model, MIXED))


MAIN = """
#include <stdio.h>
#include <stdlib.h>
int main(void) {{
  float numbers[{n_numbers}]; int categories[{n_categories}]; double result[{n_results}];
  char word[64];
  for (;;) {{
    for (int k = 0; k < {n_numbers}; ++k) {{
      if (scanf("%63s", word) != 1) return 0;
      numbers[k] = strtof(word, NULL);
    }}
    for (int k = 0; k < {n_categories}; ++k) if (scanf("%d", categories + k) != 1) return 1;
    compressed(numbers, categories, result);
    for (int k = 0; k < {n_results}; ++k) printf("%.17g ", result[k]);
    printf("\\n");
  }}
}}
"""


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
def test_c_gives_the_same_predictions(models, tmp_path):
    for number, (pair, model) in enumerate(models.items()):
        if pair[0] in ("linear", "network"):
            continue
        columns, rows = model.columns_, MIXED.head(300)
        classes = model.parts_.judge.classes
        code = files.c_source(columns, model.student_, classes)
        n_numbers, n_categories = len(columns.numbers_), len(columns.categories_)
        n_results = 1 if classes is None else len(classes)
        main = MAIN.format(n_numbers=n_numbers, n_categories=n_categories, n_results=n_results)
        source, program = tmp_path / f"{number}.c", tmp_path / str(number)
        source.write_text(code + main)
        subprocess.run(["cc", "-O0", "-std=c99", source, "-o", program, "-lm"], check=True)
        numbers = columns.number_block(rows)
        codes = columns.transform(rows)[:, -n_categories:].astype(int)
        lines = [
            " ".join([*(f"{x:.9g}" for x in number), *map(str, code)])
            for number, code in zip(numbers, codes)
        ]
        done = subprocess.run(
            [program], input="\n".join(lines), capture_output=True, text=True, check=True
        )
        result = np.array(done.stdout.split(), float).reshape(len(rows), n_results)
        ours = predictions_of(model, rows).reshape(len(rows), n_results)
        np.testing.assert_allclose(result, ours, rtol=1e-6, atol=1e-12, err_msg=str(pair))


def test_rules_say_what_the_tree_does(models):
    text = files.rules(models["tree", "two"])
    assert "Codes of the categories" in text
    assert "A missing number counts as" in text
    assert text.count("class: ") == models["tree", "two"].student_.get_n_leaves()


@pytest.mark.parametrize(
    "source, words",
    [
        ("labels", "the labels of training rows (300 rows)"),
        ("jitter 0.3", "the teacher's predictions for rows of the source jitter 0.3 (300 rows)"),
        (
            "train_oob+smote",
            "the teacher's out-of-bag predictions for training rows and the teacher's predictions "
            "for rows of the source smote (300 rows, half of each)",
        ),
    ],
)
def test_the_card_says_what_the_student_has_learned(source, words):
    assert lesson_words(Choice(source, None, 300, "")) == words


def test_the_card_says_what_the_report_says(models, tmp_path):
    model = models["tree", "two"]
    model.save(tmp_path)
    card = (tmp_path / "README.md").read_text()
    assert model.report_.table() in card
    assert model.report_.verdict in card
    assert "Expected calibration error" in card
    assert "| job | one of `" in card
    classes = ", ".join(f"`{name}`" for name in model.classes_)
    assert f"those of {classes}, in this order" in card
    for value in MIXED["gain"].dropna().head(20):
        assert str(value) not in card  # no real row


def test_skops_needs_no_unknown_types(models, tmp_path):
    for pair, model in models.items():
        content = skops.io.dumps(files.sklearn_pipeline(model))
        strange = skops.io.get_untrusted_types(data=content)
        assert all(name.startswith(("sklearn.", "numpy.")) for name in strange), pair


def test_a_full_disk_is_one_line(models, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GanmcError, match="No space left on device.*; free space on this disk"):
        save(models["tree", "two"], tmp_path)


def test_a_file_in_the_way_is_one_line(models, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(GanmcError, match="cannot be written"):
        save(models["tree", "two"], tmp_path / "taken")


def test_whole_number_classes_stay_numbers(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=list("abc"))
    labels = np.where(frame["a"] > 0, 7, 3)
    teacher = RandomForestClassifier(9, random_state=0)
    model = ClassifierCompressor(teacher, "tree", "jitter", **OPTIONS).fit(frame, labels)
    content = files.onnx_model(model.columns_, model.student_, model.classes_)
    session = files.onnx_session(content)
    label = session.run(["label"], files.onnx_inputs(model.columns_, frame))[0]
    np.testing.assert_array_equal(label, model.predict(frame))
