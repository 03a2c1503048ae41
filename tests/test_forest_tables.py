"""The tables of chapter 06 that old records have no rows for, from rows with known numbers."""

import pandas as pd
import pytest
from helpers import defaults, row

from ganmc_utils.core import parameters
from ganmc_utils.core.records import frame_of_rows
from ganmc_utils.forests import tables
from ganmc_utils.forests.claims import score_above
from ganmc_utils.report import plots

NOTEBOOK = "06_random_forests"
NOT_RUN = "Not part of this profile."
SEEDS = (0, 1, 2)
SCORES = {"train": 0.80, "train_oob": 0.85, "gan": 0.90, "train+gan": 0.88, "independent": 0.70}


def magic_task(**change):
    """The parameters of a run with one task on MAGIC."""
    (task,) = defaults(NOTEBOOK)["datasets"]
    task = task | {"name": "magic", "table": "magic", "max_trees": 4, "seeds": list(SEEDS)}
    return parameters.check_dict(NOTEBOOK, defaults(NOTEBOOK) | {"datasets": [task | change]})


def one_row_a_seed(value, step=0.01, **fields):
    return [row(seed=seed, value=value + step * seed, **fields) for seed in SEEDS]


@pytest.fixture
def frame():
    """Rows as a unit gives them: single trees, labels, mixtures, sizes, the table itself."""
    rows = [r for source, score in SCORES.items() for r in one_row_a_seed(score, source=source)]
    rows += one_row_a_seed(0.93, experiment="teacher", source="none", setting={})
    for source, score in (("train", 0.99), ("train_oob", 0.91)):
        about = {"experiment": "out_of_bag", "split": "train", "setting": {}}
        rows += one_row_a_seed(score, 0.0, source=source, **about)
    about = {"experiment": "oob_mixture", "source": "train+gan"}
    rows += one_row_a_seed(0.89, setting={"trees": 1, "labels": "oob"}, **about)
    for source, score in (("gan", 0.86), ("train+gan", 0.87)):
        for trees in (1, 4):
            setting = {"trees": trees, "class_weight": 1.0, "members": 1}
            value = score + 0.001 * trees
            rows += one_row_a_seed(value, experiment="single_gan", source=source, setting=setting)
    for metric, value in (("loss", 0.02), ("fewer_nodes", 40), ("fewer_bytes", 50)):
        for trees in (1, 2, 3, 4):
            about = {"experiment": "paper_storage", "setting": {"trees": trees}, "metric": metric}
            rows += one_row_a_seed(value / trees, 0.0, **about)
    for trees in (1, 2, 3, 4):
        about = {"experiment": "paper_storage", "setting": {"trees": trees}, "metric": "speedup"}
        rows += one_row_a_seed(300 / trees, 0.0, **about)
    for metric, value in (("rows", 19_007), ("features", 10), ("class_1", 0.6484)):
        about = {"experiment": "data", "source": "none", "split": "none", "setting": {}}
        rows += one_row_a_seed(value, 0.0, metric=metric, **about)
    return frame_of_rows(rows)


def only_line(table):
    (line,) = table.to_dict("records")
    return line


def test_out_of_bag_labels_beside_the_usual_ones(frame):
    line = only_line(tables.out_of_bag(frame, magic_task()))
    assert line["Usual labels"].startswith("0.990") and line["Out-of-bag labels"] == "0.910 ± 0.000"
    assert line["One tree, gain"] == "+0.050 [+0.050, +0.050]"
    assert line["In training + GAN pool, gain"] == "+0.010 [+0.010, +0.010]"


def test_realism_is_what_is_left_after_independent_columns(frame):
    line = only_line(tables.realism(frame, magic_task()))
    assert line["Independent columns - training data"].startswith("-0.100")
    assert line["GAN pool - independent columns"].startswith("+0.200")
    assert not any("Out-of-bag" in column for column in line)


def test_the_single_gan_is_that_of_one_tree_beside_its_mixture(frame):
    line = only_line(tables.single_gan(frame, magic_task()))
    assert line["One AC-GAN"].startswith("0.871"), "0.861 and a mean step of 0.01"
    assert line["Pool - one"].startswith("+0.039")
    assert line["Training + one AC-GAN"].startswith("0.881")


def test_table_3_has_the_single_gan_with_the_papers_value_and_the_best_source_in_bold(frame):
    validation = [
        row(seed=seed, value=value, source=source, split="validation")
        for source, value in (("gan", 0.7), ("jitter", 0.8), ("fresh", 0.9))
        for seed in SEEDS
    ]
    test = one_row_a_seed(0.6, source="jitter") + one_row_a_seed(0.99, source="fresh")
    frame = pd.concat([frame, frame_of_rows([*validation, *test])])
    table = tables.table3(frame, magic_task()).set_index("Source")["MAGIC"]
    assert (
        list(table.index).index("One GAN, as in the paper")
        == list(table.index).index("GAN pool") + 1
    )
    assert table["One GAN, as in the paper"].startswith("0.871")
    assert "(0.918)" in table["One GAN, as in the paper"] and "(" not in table["GAN pool"]
    bold = [source for source, cell in table.items() if "**" in cell]
    assert bold == ["Jitter"], "the best on validation, where fresh rows do not compete"
    assert table["Seeds"] == "3"


def test_without_a_single_gan_the_papers_value_stands_beside_the_gan(frame):
    of_pool = frame[frame.experiment != "single_gan"]
    table = tables.table3(of_pool, magic_task()).set_index("Source")["MAGIC"]
    assert "(0.918)" in table["GAN pool"] and "One GAN, as in the paper" not in table


def test_other_teachers_and_the_authors_preparation_have_a_table_of_their_own(frame):
    assert tables.other_teachers(frame, magic_task()).empty
    p = magic_task(max_features=["sqrt", "none"])
    others = tables.other_teachers(frame.assign(teacher="forest_none"), p)
    assert list(others) == ["Source", "MAGIC, max_features = none"]
    mine = p.datasets[0]
    p.datasets.append(mine.model_copy(update={"preparation": "authors", "name": "magic_authors"}))
    assert tables.main_tasks(p) == [mine]


def test_fig_3f_at_one_tree_and_at_the_most(frame):
    table = tables.paper_storage(frame, magic_task())
    assert list(table["Trees"]) == [1, 4]
    assert list(table["Test loss"]) == ["0.020 ± 0.000", "0.005 ± 0.000"]
    assert list(table["Faster"]) == ["300×", "75×"]
    assert list(table["Fewer nodes"]) == ["40×", "10×"]


def test_table_2_has_the_numbers_of_the_paper_in_brackets(frame):
    line = only_line(tables.datasets(frame, magic_task()))
    assert line == {
        "Dataset": "MAGIC",
        "Rows": "19,007 (19,000)",
        "Features": "10 (11)",
        "Class 1, %": "64.8 (64.8)",
    }


@pytest.mark.parametrize(
    "table", [tables.out_of_bag, tables.paper_storage, tables.datasets, tables.realism]
)
def test_a_record_without_such_rows_has_an_empty_table(table):
    p = magic_task(sources=["train"], gans=[])
    frame = frame_of_rows(one_row_a_seed(0.9, source="train"))
    assert isinstance(table(frame, p), pd.DataFrame) and table(frame, p).empty


def test_labels_of_the_new_sources_are_those_of_the_legends():
    assert plots.label("train_oob") == "Out-of-bag labels"
    assert plots.label("independent") == "Independent columns"


def test_a_sentence_says_what_a_measure_says_of_each_clean_table(frame):
    p = magic_task()
    measure = score_above("train_oob", "train")
    said = tables.compared(frame, p, "one tree of out-of-bag labels", measure, "the usual one")
    assert said == (
        "One tree of out-of-bag labels beats the usual one on MAGIC (+5.0 points [5.0,\xa05.0])."
    )
    assert tables.compared(frame, magic_task(preparation="authors"), "", measure, "") == NOT_RUN
    assert tables.compared(frame, p, "", score_above("smote", "train"), "") == NOT_RUN
