"""Chapter 07: its rows come back from their files, its claims are what their words say."""

import math
import types
from functools import wraps

import pytest
from helpers import SMALL_SCORES, defaults, record, row, run_notebook

from ganmc_utils.core import parameters, plan, records
from ganmc_utils.core.store import Store
from ganmc_utils.forests import experiment as forest_experiment
from ganmc_utils.forests import models as forest_models
from ganmc_utils.gan.acgan import AcGan
from ganmc_utils.networks import trained, training
from ganmc_utils.scores import claims as score_claims
from ganmc_utils.scores import images, other_scores
from ganmc_utils.scores import tables as score_tables
from ganmc_utils.scores.degraded import SERIES
from ganmc_utils.scores.experiment import SampleSet, real_source
from ganmc_utils.scores.images import ImageSamples, ImageScores, unit_name

NAME = "07_compression_score"
TABLE = {"gan_epochs": 40, "seeds": [0, 1]}


def given(**change):
    """Parameters of a small run."""
    return SMALL_SCORES | {"table": defaults(NAME)["table"] | TABLE} | change


def settings(**change):
    return parameters.check_dict(NAME, defaults(NAME) | given(**change))


def models(p, out):
    return trained.TrainedModels(p, Store(out))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def chapter(out):
    """The names of the notebook after its record was saved."""
    return run_notebook(NAME, **given(out_dir=str(out)))


@pytest.fixture
def no_training(monkeypatch):
    """Fails whatever trains a model or loads data."""
    for owner, name in (
        (training, "train"),
        (trained, "train"),
        (trained, "load_images"),
        (AcGan, "train"),
        (forest_models, "fit_teacher"),
        (forest_experiment, "read_table"),
    ):
        monkeypatch.setattr(owner, name, failing(getattr(owner, name)))


def failing(function):
    @wraps(function)  # results are keyed by the code of the function that bears this name
    def fail(*args, **more):
        raise AssertionError(f"{function.__name__} was called")

    return fail


def test_every_set_has_every_score(chapter):
    frame = chapter["frame"]
    generators = frame[frame.experiment == "generators"]
    sets = generators.groupby("samples").metric.nunique()
    assert set(sets.index) == {"train", "fresh", "gan", "inferior", "inferior 1", "1"}
    assert set(sets) == {len(score_claims.METRICS)}
    of_train = generators[generators.samples == "train"].groupby("metric").value.mean()
    assert of_train["fid"] < 1e-6, "the training images against themselves"
    assert of_train["intra_fid"] < 1e-6, "the training images against themselves"
    noise = frame[(frame.experiment == "series") & (frame.series == "label_noise")]
    levels = noise.pivot_table(index="level", columns="metric", values="value")
    assert levels.compression_score.nunique() == 1, "no labels are asked for"
    assert levels.cas[0.0] > levels.cas[1.0], "wrong labels are seen by those who use labels"
    assert set(frame[frame.experiment == "tabular"].metric) == {"compression_score", "auc"}


def test_timing_counts_the_students_of_the_real_data_too(chapter):
    timed = [r for r in chapter["run"].rows if r.experiment == "timing"]
    seconds = {r.metric: r.value for r in timed}
    settings = {r.metric: r.setting for r in timed}
    assert list(seconds) == [
        "compression_score",
        "compression_score_without_references",
        "inception_score_classifier",
        "inception_score",
    ]
    assert settings["compression_score"] == {"students": 3, "students_of_real_data": 3}
    without = "compression_score_without_references"
    assert settings[without] == {"students": 3, "students_of_real_data": 0}
    assert seconds["compression_score"] > seconds[without] > 0
    table = score_tables.timing(chapter["frame"])
    assert list(table.Score)[:2] == [
        "Compression Score (3 students of the samples, 3 of the real data, the teacher's "
        "predictions included)",
        "Compression Score (3 students, the teacher's predictions included)",
    ]
    assert table["Times ours"][0] == "1.00"


def test_what_is_timed_trains_its_students_and_asks_the_teacher(chapter, monkeypatch):
    """Six students a run, and a run that warms up; nothing comes from a memory."""
    students_class = images.compression.ImageStudents
    learner, teacher_logits = students_class.learner, students_class.teacher_logits
    trained_seeds, queries = [], []

    def counted_learner(students, batches, seed):
        trained_seeds.append(seed)
        return learner(students, batches, seed)

    def counted_logits(students, x):
        queries.append(len(x))
        return teacher_logits(students, x)

    monkeypatch.setattr(students_class, "learner", counted_learner)
    monkeypatch.setattr(students_class, "teacher_logits", counted_logits)
    images.timing_rows(chapter["scores"], chapter["samples"])
    reference_seeds = [images.REFERENCE_SEEDS + k for k in range(3)]
    assert trained_seeds == [0, 1, 2] * 2 + reference_seeds * 2
    assert queries == [len(chapter["trained"].data.x_train)] * 4


@pytest.mark.parametrize("is_there", [False, True])
def test_inception_v3_is_used_where_its_weights_are(tmp_path, monkeypatch, is_there):
    monkeypatch.setattr(other_scores.torch.hub, "get_dir", lambda: str(tmp_path))
    weights = tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    weights.parent.mkdir()
    if is_there:
        weights.touch()
    by = {choice: models(settings(inception=choice), tmp_path) for choice in (False, True, "auto")}
    assert [images.uses_inception_v3(held.p) for held in by.values()] == [False, True, is_there]
    names = {choice: ImageScores(held).classifier_name for choice, held in by.items()}
    assert names["auto"] == names[is_there]
    assert (names["auto"] == "Inception-v3") is is_there
    units = {
        choice: unit_name(held, SampleSet("train"), 0, score_samples) for choice, held in by.items()
    }
    assert units["auto"] == units[is_there] != units[not is_there]


def test_the_table_of_the_inferior_gan_names_its_epochs(chapter):
    frame, p = chapter["frame"], chapter["p"]
    table = score_tables.inferior(frame, p)
    steps = p.data.n_train // p.gan.batch
    names = ["Score", f"After 1 epochs ({steps:,} steps)", f"After 2 epochs ({2 * steps:,} steps)"]
    assert list(table) == names


def test_the_sentences_count_what_was_run(chapter):
    assert "damage, of 2, seen" in score_tables.of_known_orders(chapter["frame"])
    n = len(chapter["p"].table.seeds)
    assert score_tables.of_tabular_sources(chapter["frame"]).endswith(f" over {n} seeds.")


def test_what_was_scored_is_not_scored_again(chapter, out, monkeypatch):
    monkeypatch.setattr(ImageScores, "fid", None)
    monkeypatch.setattr(ImageScores, "computed_score_of_draw", None)
    again = run_notebook(NAME, **given(out_dir=str(out)))
    of_series = [r for r in chapter["run"].rows if r.experiment == "series"]
    assert [r for r in again["run"].rows if r.experiment == "series"] == of_series
    assert len(of_series) == 2 * 2 * 2 * 7


def test_a_second_run_trains_and_loads_nothing(chapter, out, no_training):
    again = run_notebook(NAME, **given(out_dir=str(out)))
    assert again["run"].rows == chapter["run"].rows
    assert again["run"].checksums == chapter["run"].checksums
    assert again["scores"].classifier_name == "cnn6, a classifier trained for it"
    for before, after in zip(chapter["pictures"], again["pictures"]):
        assert (before[0] == after[0]).all() and before[1] == after[1]
    assert again["trained"].image_shape == (1, 8, 10)


def test_the_plan_lists_the_sets_and_trains_nothing(no_training):
    names = plan.planned(NAME, **given())
    sets = names["sample_sets"]
    assert {sample_set.name for sample_set, _ in sets} == (
        {"train", "fresh", "gan", "inferior", "inferior 1", "1"}
    )
    assert len(sets) == len(set(sets)) == 2 * (6 + 2 * 2)
    assert [unit.seed for unit in names["table_units"]] == TABLE["seeds"]
    assert names["versions"] == ["v2", "v1"]


def score_samples(sample_set, seed):
    """Stands for the notebook's function."""


@pytest.mark.parametrize(
    "sample_set, change, same",
    [
        (SampleSet("train"), {"gan": {"lr": 2e-3}}, True),
        (SampleSet("gan"), {"gan": {"lr": 2e-3}}, False),
        (SampleSet("fresh", "blur", 1.0), {"gan": {"lr": 2e-3}}, True),
        (SampleSet("fresh", "real_share", 0.5), {"gan": {"lr": 2e-3}}, False),
        (SampleSet("gan"), {"inferior_epochs": [2]}, True),
        (SampleSet("inferior"), {"inferior_epochs": [2]}, False),
        (SampleSet("train"), {"student": {"epochs": 3}}, True),
        (SampleSet("train"), {"student": {"width": 5}}, False),
        (SampleSet("train"), {"teacher": {"epochs": 3}}, False),
        (SampleSet("train"), {"classifier": {"epochs": 3}}, False),
        (SampleSet("train"), {"inception": True}, False),
        (SampleSet("train"), {"seeds": [0, 1, 2]}, False),
        (SampleSet("train"), {"levels": {"blur": [0.0, 1.0]}}, True),
    ],
)
def test_a_file_is_named_by_what_its_scores_depend_on(tmp_path, sample_set, change, same):
    changed = {
        name: SMALL_SCORES[name] | value if isinstance(value, dict) and name != "levels" else value
        for name, value in change.items()
    }
    before, after = (
        unit_name(models(settings(**more), tmp_path), sample_set, 0, score_samples)
        for more in ({}, changed)
    )
    assert (before == after) is same


def test_without_images_held_back_the_training_part_is_the_real_one(tmp_path):
    p = settings(data=settings().data.model_dump() | {"n_fresh": 0})
    held = models(p, tmp_path)
    x, _ = ImageSamples(held).draw(SampleSet(real_source(p.data)), 0)
    assert real_source(p.data) == "train" and x is held.data.x_train
    seen = []
    held.classifier = lambda kind, network, x, *more: (seen.append(x), (None, None))[1]
    assert ImageScores(held).network_and_history == (None, None)
    assert seen[0] is held.data.x_train


def scored(**values):
    """A record of sets of samples: values[set] = the scores of its draws."""
    return [
        row(
            experiment="generators",
            dataset="digits",
            source="gan",
            seed=i,
            metric=m,
            value=v,
            setting={"samples": s},
        )
        for s, found in values.items()
        for i, (one, five) in enumerate(found)
        for m, v in (("compression_score", one), ("compression_score_v1", five))
    ]


def measured(rows, id):
    (claim,) = [c for c in score_claims.CLAIMS if c.id == id]
    return claim.measure(records.as_frame(record(rows)), "digits")


def test_claims_by_hand():
    rows = scored(
        train=[(1.0, 1.0), (0.9, 1.1)],
        gan=[(0.8, 0.7), (0.7, 0.8)],
        inferior=[(0.5, 0.6), (0.6, 0.5)],
    )
    assert measured(rows, "inferior_scores_lower").mean == pytest.approx(0.2)
    assert measured(rows, "gan_below_real").mean == pytest.approx(0.2)
    assert measured(rows, "one_epoch_is_enough").mean == pytest.approx(1)
    assert measured(
        scored(train=[(1.0, 0.5)], gan=[(0.8, 0.7)], inferior=[(0.5, 0.6)]), "one_epoch_is_enough"
    ).mean == pytest.approx(-1 / 3)
    assert measured(scored(train=[(1.0, 1.0)]), "inferior_scores_lower") is None

    def real(value, error):
        return [
            row(
                experiment="real",
                dataset="digits",
                source="train",
                seed=None,
                metric=m,
                value=v,
                setting={"version": "v2"},
            )
            for m, v in (("value", value), ("error", error))
        ]

    assert measured(real(1.03, 0.02), "score_of_real_is_one").mean == pytest.approx(0.03)
    assert measured(real(0.9, 0.02), "score_of_real_is_one").mean == pytest.approx(-0.1)
    timed = [
        row(
            experiment="timing",
            dataset="digits",
            source="none",
            seed=None,
            split="none",
            metric=m,
            value=v,
            setting={},
        )
        for m, v in (("compression_score", 2.0), ("inception_score", 40.0))
    ]
    assert measured(timed, "score_is_cheaper").mean == pytest.approx(19)


@pytest.mark.parametrize(
    "series, metric, values, tau",
    [
        ("distinct", "compression_score", (0.1, 0.5, 0.9), 1),
        ("distinct", "fid", (0.1, 0.5, 0.9), -1),
        ("blur", "compression_score", (0.9, 0.5, 0.6), 1 / 3),
        ("blur", "fid", (1.0, 2.0, 3.0), 1),
        ("label_noise", "compression_score", (0.7, 0.7, 0.7), 0),
    ],
)
def test_tau_is_1_where_a_score_says_the_right_order(series, metric, values, tau):
    rows = [
        row(
            experiment="series",
            dataset="digits",
            source="fresh",
            metric=metric,
            value=v,
            setting={"series": series, "level": float(i)},
        )
        for i, v in enumerate(values)
    ]
    assert series in SERIES and math.isclose(
        score_claims.order_agreement(records.as_frame(record(rows)), series, metric).iloc[0], tau
    )


def series_rows(values):
    """Rows of two draws of a series; values[metric] = the scores of each draw by level."""
    return [
        row(
            experiment="series",
            dataset="digits",
            source="fresh",
            seed=seed,
            metric=metric,
            value=value,
            setting={"series": "distinct", "level": float(level)},
        )
        for metric in score_tables.ORDERING_METRICS
        for seed, scores in enumerate(values[metric])
        for level, value in enumerate(scores)
    ]


def test_an_order_is_seen_rightly_only_if_it_is_in_every_draw():
    values = dict.fromkeys(score_tables.ORDERING_METRICS, [(0.1, 0.2, 0.3)] * 2)
    values["fid"] = [(3.0, 2.0, 1.0)] * 2  # lower is better
    values["kid"] = [(1.0, 2.0, 3.0)] * 2
    values["cas"] = [(0.1, 0.2, 0.3), (0.1, 0.3, 0.2)]  # one draw of two
    values["confidence"] = [(0.1, 0.2, 0.2)] * 2  # a tie is not seen
    frame = records.as_frame(record(series_rows(values)))
    counts = score_tables.rightly_ordered(frame)
    right = {metric for metric, count in counts.items() if count}
    assert right == {"compression_score", "inception_score", "fid"}
    sentence = score_tables.of_known_orders(frame).split(": ")[1]
    assert sentence == (
        "1 by Compression Score, Inception Score, FID; "
        "0 by Classification accuracy, Confidence, KID, Intra-class FID."
    )


def test_an_older_timing_is_still_drawn():
    timed = {"compression_score": 2.0, "inception_score_classifier": 1.0, "inception_score": 40.0}
    rows = [
        row(experiment="timing", metric=metric, value=value, setting={"students": 2, "images": 8})
        for metric, value in timed.items()
    ]
    table = score_tables.timing(records.as_frame(record(rows)))
    assert list(table["Times ours"]) == ["1.00", "0.50", "20.00"]
    assert table.Score[0] == "Compression Score (2 students, the teacher's predictions included)"


@pytest.mark.parametrize("n, is_known", [(1, False), (2, True)])
def test_one_student_of_the_reference_has_no_standard_error(n, is_known):
    score = types.SimpleNamespace(value=1.0, error=0.1, reference=0.5, baseline=0.1, n=n)
    data = types.SimpleNamespace(x_train=None)
    p = parameters.check_dict("07_compression_score", defaults("07_compression_score"))
    scores = types.SimpleNamespace(
        p=p, trained=types.SimpleNamespace(data=data), score=lambda *_: score
    )
    metrics = {row.metric for row in images.reference_rows(scores, "v2")}
    assert ("error" in metrics) == is_known
    assert {"value", "reference", "baseline"} <= metrics
