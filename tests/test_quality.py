"""Chapter 07: its rows come back from their files, its claims are what their words say."""

import math

import pytest
from test_parameters import defaults
from test_records import record, row

from ganmc_utils.core import parameters, records
from ganmc_utils.scores import claims as score_claims
from ganmc_utils.scores import experiment as score_experiment
from ganmc_utils.scores.degraded import SERIES

NAME = "07_compression_score"
SMALL = {
    "seeds": [0, 1],
    "teacher": {"network": "cnn6", "width": 8, "epochs": 8, "batch": 50, "lr": 3e-3},
    "student": {"network": "cnn5", "width": 4, "epochs": 2, "batch": 50, "lr": 3e-3},
    "classifier": {"network": "cnn6", "width": 4, "epochs": 2, "batch": 50, "lr": 3e-3},
    "gan": {
        "width": 4,
        "epochs": 2,
        "snapshots": [1, 2],
        "batch": 50,
        "lr": 1e-3,
        "choice_epochs": 1,
    },
    "inferior_epochs": [1, 2],
    "levels": {"distinct": [0.1, 1.0], "label_noise": [0.0, 1.0]},
    "timing_images": 1,
    "teacher_trees": 10,
}


def settings(**change):
    given = defaults(NAME)
    return parameters.check_dict(
        NAME,
        given | SMALL | {"table": given["table"] | {"gan_epochs": 40, "seeds": [0, 1]}} | change,
    )


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    return score_experiment.Quality(settings(), tmp_path_factory.mktemp("out")).everything()


def test_every_set_has_every_score(chapter):
    frame = records.as_frame(record(chapter.rows))
    sets = frame[frame.experiment == "generators"].groupby("samples").metric.nunique()
    assert set(sets.index) == {"train", "fresh", "gan", "inferior", "inferior 1", "1"} and set(
        sets
    ) == {len(score_claims.METRICS)}
    of_train = (
        frame[(frame.experiment == "generators") & (frame.samples == "train")]
        .groupby("metric")
        .value.mean()
    )
    assert of_train["fid"] < 1e-6 and of_train["intra_fid"] < 1e-6, (
        "the training images against themselves"
    )
    levels = frame[(frame.experiment == "series") & (frame.series == "label_noise")].pivot_table(
        index="level", columns="metric", values="value"
    )
    assert levels.compression_score.nunique() == 1 and levels.cas[0.0] > levels.cas[1.0], (
        "wrong labels are seen by those who use labels"
    )
    assert set(frame[frame.experiment == "tabular"].metric) == {"compression_score", "auc"}


def test_what_was_scored_is_not_scored_again(chapter, monkeypatch):
    monkeypatch.setattr(score_experiment.Quality, "all_scores", None)
    again = score_experiment.Quality(settings(), chapter.out)
    again.known_order()
    mine = [r for r in chapter.rows if r.experiment == "series"]
    assert again.rows == mine and len(mine) == 2 * 2 * 2 * 7


def test_without_images_held_back_the_training_part_is_the_real_one(tmp_path):
    held = score_experiment.Quality(
        settings(data=settings().data.model_dump() | {"n_fresh": 0}), tmp_path
    )
    x, y = held.samples(held.real, 0)
    assert (
        held.real == "train"
        and x is held.data.x_train
        and held.for_classifier[0] is held.data.x_train
    )


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

    assert measured(real(1.03, 0.02), "score_of_real_is_one").low == pytest.approx(0.01)
    assert measured(real(0.9, 0.02), "score_of_real_is_one").high == pytest.approx(-0.06)
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
