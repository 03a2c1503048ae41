"""Published records still load, and every table made from them shows the published numbers."""

import re

import pytest

from ganmc_utils.core import parameters, paths, records
from ganmc_utils.forests import tables as forest_tables
from ganmc_utils.networks import tables as network_tables
from ganmc_utils.report import reproduction, scoreboard, text
from ganmc_utils.scores import tables as score_tables

PUBLISHED = paths.ROOT / "published"
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


@pytest.fixture(scope="module")
def published():
    """{notebook: its published record}, the scoreboard's apart."""
    files = sorted((PUBLISHED / "records").glob("*.json"))
    return {file.stem: records.load(file) for file in files}


@pytest.fixture(scope="module")
def run_records(published):
    return [record for notebook, record in published.items() if notebook != "08_scoreboard"]


def parameters_of(record):
    return parameters.check_dict(record.notebook, record.parameters)


def tables_of_networks(published):
    frames = {notebook: records.as_frame(record) for notebook, record in published.items()}
    chapter_00 = frames["00_teachers_and_gan"]
    chapter_01 = frames["01_dnn_compression"]
    chapter_02 = frames["02_p_fake_sweep"]
    chapter_05 = frames["05_supervised_learning"]
    p_01 = parameters_of(published["01_dnn_compression"])
    ends_of_sweep = chapter_02[chapter_02.p_fake.isin([0, 1])]
    shares = network_tables.shares
    return {
        "00_cast": network_tables.teacher_and_gan(chapter_00),
        "00_sizes": network_tables.sizes(chapter_00),
        "00_snapshots": network_tables.snapshot_choice(chapter_00),
        "01_l2": network_tables.by_source(chapter_01, "l2", paper="fig1"),
        "01_gain": network_tables.gain_parts(chapter_01),
        "01_other": network_tables.by_source(chapter_01, "l2_other"),
        "table1": network_tables.table1(chapter_01, p_01),
        "01_variants": network_tables.variants(chapter_01),
        "02_shares": shares(chapter_02, "sweep"),
        "02_rivals": network_tables.by_source(ends_of_sweep, "sweep"),
        "03_flips": network_tables.flips(frames["03_augmentation"]),
        "04_snapshots": network_tables.snapshots(frames["04_gan_quality"]),
        "05_supervised": shares(chapter_05, "supervised_learning", objective="supervised"),
        "05_compression": shares(chapter_05, "supervised_learning", objective="l2"),
    }


def tables_of_forests(published):
    record = published["06_random_forests"]
    frame = records.as_frame(record)
    p = parameters_of(record)
    return {
        "table3": forest_tables.table3(frame, p),
        "against_train": forest_tables.against(frame, p, "train"),
        "against_gan": forest_tables.against(frame, p, "gan"),
        "other_teachers": forest_tables.other_teachers(frame, p),
        "single_gan": forest_tables.single_gan(frame, p),
        "preparation": forest_tables.preparation(frame, p),
        "small_students": forest_tables.small_students(frame, p),
        "small_students_strict": forest_tables.small_students(frame, p, limit=0.005),
        "costs": forest_tables.costs(frame, p),
        "table2": forest_tables.datasets(frame, p),
        "out_of_bag": forest_tables.out_of_bag(frame, p),
        "realism": forest_tables.realism(frame, p),
        "paper_storage": forest_tables.paper_storage(frame, p),
    }


def tables_of_scores(published):
    record = published["07_compression_score"]
    frame = records.as_frame(record)
    p = parameters_of(record)
    tabular, _ = score_tables.tabular(frame)
    return {
        "07_table4": score_tables.table4(frame),
        "07_epochs": score_tables.by_epoch(frame, sorted(p.gan.snapshots), p.gan.epochs),
        "07_order": score_tables.order_table(frame),
        "07_inferior": score_tables.inferior(frame, p),
        "07_tabular": tabular,
        "07_timing": score_tables.timing(frame),
    }


@pytest.fixture(scope="module")
def tables(published, run_records):
    """{name: Markdown} of every table of the book, made from the published records."""
    frames = (
        tables_of_networks(published)
        | tables_of_forests(published)
        | tables_of_scores(published)
        | {"scoreboard": scoreboard.table(run_records)}
        | {"reproduction_notes": reproduction.notes_table(run_records)}
    )
    headline = {"headline": scoreboard.headline_table(run_records)}
    return {name: text.markdown(frame) for name, frame in frames.items()} | headline


def numbers_in(markdown):
    """The numbers of a table, cell by cell; the header and the line below it left out."""
    lines = markdown.strip().splitlines()[2:]
    return [[NUMBER.findall(cell) for cell in line.split("|")] for line in lines]


def published_tables():
    return sorted(file.stem for file in (PUBLISHED / "tables").glob("*.md"))


def test_every_published_table_is_checked_here(tables):
    assert sorted(tables) == published_tables()


@pytest.mark.parametrize("name", published_tables())
def test_a_table_shows_the_published_numbers(tables, name):
    published_table = (PUBLISHED / "tables" / f"{name}.md").read_text()
    assert numbers_in(published_table), name
    assert numbers_in(tables[name]) == numbers_in(published_table)


def test_numbers_are_found_in_cells():
    table = "| a 1 | b |\n|:--|:--|\n| x2 | +0.044 [-0.023, 1,234], n = 3; 1.35e+03 |"
    assert numbers_in(table) == [[[], ["2"], ["+0.044", "-0.023", "1,234", "3", "1.35e+03"], []]]


def test_the_verdicts_are_the_published_ones(published, run_records):
    rows = scoreboard.rows(run_records)
    published_rows = published["08_scoreboard"].metrics
    assert len(rows) == len(published_rows)
    for ours, theirs in zip(rows, published_rows):
        assert (ours.metric, ours.dataset) == (theirs.metric, theirs.dataset)
        assert ours.value == pytest.approx(theirs.value, rel=1e-9, abs=1e-12), ours.metric
        assert ours.setting["verdict"] == theirs.setting["verdict"], ours.metric
        assert ours.setting["n"] == theirs.setting["n"], ours.metric
        for bound in ("low", "high", "fold"):
            expected = theirs.setting[bound]
            assert ours.setting[bound] == pytest.approx(expected, rel=1e-9, abs=1e-12), ours.metric
