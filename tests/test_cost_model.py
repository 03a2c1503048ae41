"""The work that the cost model reads from a plan is the work that the training loops do."""

import sys
from collections import Counter

import pytest
from helpers import TOY, run_toy_chapter

from ganmc_utils.core import parameters
from ganmc_utils.core.paths import ROOT
from ganmc_utils.core.plan import planned
from ganmc_utils.gan.acgan import AcGan
from ganmc_utils.networks.trained import TrainedModels
from ganmc_utils.networks.training import Learner

sys.path.insert(0, str(ROOT / "benchmarks"))
import cost_model  # noqa: E402

CHAPTERS = [name for name in parameters.NOTEBOOKS if name < "06"]

# Generated images are labelled eight batches ahead: all students here take eight steps.
STUDENT = TOY["student"] | {"epochs": 4}
SETTINGS = TOY | {"student": STUDENT, "gan": TOY["gan"] | {"choice_epochs": 4}}
OF_CHAPTER = {
    "01_dnn_compression": {
        "p_fakes": [0.2, 0.8],
        "other_student": STUDENT | {"network": "lenet"},
        "pairs": [
            {
                "teacher": TOY["teacher"] | {"width": 3},
                "student": STUDENT,  # of labels alone it is the same whoever else teaches
                "T": 5.0,
                "alpha": 0.9,
                "p_fakes": [0.2, 0.8],
            }
        ],
    },
    "02_p_fake_sweep": {"p_fakes": [0.0, 0.5, 1.0]},
    "03_augmentation": {"p_fakes": [0.2, 0.8]},
    "05_supervised_learning": {"p_fakes": [0.0, 0.5, 1.0]},
}


def settings_of(chapter):
    return SETTINGS | OF_CHAPTER.get(chapter, {})


@pytest.fixture
def work_done(monkeypatch):
    """Images by kind of work, counted as the loops go."""
    work = Counter()
    start_learner, gan_step = Learner.__post_init__, AcGan.step
    source_batches = TrainedModels.source_batches

    def start_counted_learner(learner):
        start_learner(learner)
        forward = learner.forward
        network = learner.name.removeprefix("teacher ").split(" ")[0].split("+")[0]

        def counted_forward(x):  # of training steps alone: evaluations call the network itself
            work["step", network] += len(x)
            return forward(x)

        learner.forward = counted_forward

    def counted_gan_step(gan, x, *labels_and_noise):
        work["gan", TOY["gan"]["width"]] += x.shape[1]
        return gan_step(gan, x, *labels_and_noise)

    def counted_source_batches(trained, student, label_images):
        def counted_labels(x):
            work["label", student.teacher.network] += len(x)
            return label_images(x)

        return source_batches(trained, student, label_images and counted_labels)

    monkeypatch.setattr(Learner, "__post_init__", start_counted_learner)
    monkeypatch.setattr(AcGan, "step", counted_gan_step)
    monkeypatch.setattr(TrainedModels, "source_batches", counted_source_batches)
    return work


def planned_work(chapter, counter):
    return counter.work_of_plan(planned(chapter, **settings_of(chapter)))


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


def test_the_stages_of_the_paper_are_counted():
    stages = dict(cost_model.stage_work())
    assert stages["a_cast"]["gan", 96] == 1000 * 50_000
    assert stages["a_cast"]["step", "nin"] == 120 * (50_000 // 128 * 128)
    assert stages["b_p_fake"] == Counter(), "chapter 01 trains every share"
    kinds = {kind for work in stages.values() for kind, _ in work}
    assert kinds == set(cost_model.MEASURES) == set(cost_model.WORDS)
