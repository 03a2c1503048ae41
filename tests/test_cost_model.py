"""The work that the cost model reads from a plan is the work that the training loops do."""

import re
import sys
from collections import Counter

import pytest
from helpers import TOY, at_toy_size, run_toy_chapter

from ganmc_utils.core import parameters
from ganmc_utils.core.paths import ROOT
from ganmc_utils.core.plan import planned
from ganmc_utils.core.units import units_of
from ganmc_utils.gan.acgan import AcGan
from ganmc_utils.networks.trained import TrainedModels
from ganmc_utils.networks.training import Learner

sys.path.insert(0, str(ROOT / "benchmarks"))
import cost_model  # noqa: E402

CHAPTERS = [name for name in parameters.NOTEBOOKS if name < "06"]

# Images of a source are labelled eight batches ahead: all students here take eight steps.
STUDENT = TOY["student"] | {"epochs": 4}
SETTINGS = TOY | {"student": STUDENT, "gan": TOY["gan"] | {"choice_epochs": 4}}
PAIR = {
    "teacher": TOY["teacher"] | {"width": 3},
    "student": STUDENT | {"augment": "flips+crops"},  # labelled as they are seen
    "T": 5.0,
    "alpha": 0.9,
    "p_fakes": [0.0, 0.5, 1.0],
    "variants": ["li", "text"],
    "sets": [1],
}
OF_CHAPTER = {
    "01_dnn_compression": {
        "p_fakes": [0.2, 0.8],
        "other_student": STUDENT | {"network": "lenet"},
        "folds": 2,
        "pairs": [
            PAIR,
            # of labels alone this student is that of Fig. 1, whoever else teaches
            PAIR | {"student": STUDENT, "p_fakes": [0.5], "variants": ["hinton"], "sets": [0]},
        ],
    },
    "02_p_fake_sweep": {"p_fakes": [0.0, 0.2, 1.0]},
    "03_augmentation": {"p_fakes": [0.2, 0.8]},
    "05_supervised_learning": {"p_fakes": [0.0, 0.2, 1.0]},
}
NETWORK_OF_LEARNER = re.compile(r"(?:teacher |fold_\w+ )?(\w+)")


def settings_of(chapter, **change):
    return at_toy_size(chapter, **SETTINGS | OF_CHAPTER.get(chapter, {}) | change)


@pytest.fixture
def work_done(monkeypatch):
    """Images by kind of work, counted as the loops go."""
    work = Counter()
    start_learner, gan_step = Learner.__post_init__, AcGan.step
    labeller, out_of_fold_logits = TrainedModels.labeller, TrainedModels.out_of_fold_logits

    def start_counted_learner(learner):
        start_learner(learner)
        forward = learner.forward
        network = NETWORK_OF_LEARNER.match(learner.name)[1]

        def counted_forward(x):  # of training steps alone: evaluations call the network itself
            work["step", network] += len(x)
            return forward(x)

        learner.forward = counted_forward

    def counted_gan_step(gan, x, *labels_and_noise):
        work["gan", TOY["gan"]["width"]] += x.shape[1]
        return gan_step(gan, x, *labels_and_noise)

    def counted_labeller(trained, group, with_dropout):
        label = labeller(trained, group, with_dropout)
        teacher = group[0][0].teacher

        def counted_label(x):
            work["label", teacher.network] += len(x)
            return label(x)

        return label and counted_label

    def counted_out_of_fold_logits(trained, teacher, n_folds):
        z = out_of_fold_logits(trained, teacher, n_folds)
        work["label", teacher.network] += len(z)
        return z

    monkeypatch.setattr(Learner, "__post_init__", start_counted_learner)
    monkeypatch.setattr(AcGan, "step", counted_gan_step)
    monkeypatch.setattr(TrainedModels, "labeller", counted_labeller)
    monkeypatch.setattr(TrainedModels, "out_of_fold_logits", counted_out_of_fold_logits)
    return work


def planned_work(chapter, counter, **change):
    return counter.work_of_plan(planned(chapter, **settings_of(chapter, **change)))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_alone_sees_the_images_that_its_plan_lists(chapter, tmp_path, work_done):
    run_toy_chapter(chapter, tmp_path, **settings_of(chapter))
    assert {kind for kind, _ in work_done} == {"step", "label", "gan"}
    assert work_done == planned_work(chapter, cost_model.WorkCounter())


def test_chapters_in_a_row_train_only_what_is_new(tmp_path, work_done):
    counter = cost_model.WorkCounter()
    for chapter in CHAPTERS:
        work_done.clear()
        run_toy_chapter(chapter, tmp_path, **settings_of(chapter))
        assert work_done == planned_work(chapter, counter), chapter
    assert not planned_work("02_p_fake_sweep", counter), "all of it is trained"


def test_shifted_images_are_labelled_for_each_seed_also_beside_students_of_labels(
    tmp_path, work_done
):
    counter = cost_model.WorkCounter()
    student = STUDENT | {"augment": "flips+crops"}
    changes = {  # of seed 0, chapter 05 adds to chapter 04 only students of labels alone
        "04_gan_quality": {"student": student, "seeds": [0]},
        "05_supervised_learning": {"student": student, "seeds": [0, 1], "p_fakes": [0.0, 1.0]},
    }
    for chapter, change in changes.items():
        work_done.clear()
        run_toy_chapter(chapter, tmp_path, **settings_of(chapter, **change))
        assert work_done == planned_work(chapter, counter, **change), chapter


def test_the_units_of_the_paper_are_counted():
    work = cost_model.work_of_units(units_of("paper"))
    images_of_teacher = 120 * (50_000 // 128 * 128)
    for set_seed in range(3):
        assert work[f"00-set-{set_seed}"]["gan", 96] == 1000 * 50_000
        assert work[f"00-set-{set_seed}"]["step", "nin"] == images_of_teacher
        assert work[f"01-set-{set_seed}"] == work["01-set-0"]
    assert work["01-set-0"]["step", "nin"] == 5 * images_of_teacher, "out-of-fold teachers"
    assert work["02_p_fake_sweep"] == Counter(), "chapter 01 trains every share"
    kinds = {kind for of_unit in work.values() for kind, _ in of_unit}
    assert kinds == set(cost_model.MEASURES) == set(cost_model.WORDS)
