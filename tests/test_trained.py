"""Chapters 00 to 05 at toy size: what is trained once, chosen on validation, and found again."""

import json

import pandas as pd
import pytest
import torch
from helpers import TOY, at_toy_size, rows_of_chapter, run_toy_chapter, toy_parameters

from ganmc_utils.core import parameters
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.meaning import PACKAGE, trees_used_by
from ganmc_utils.core.plan import planned
from ganmc_utils.core.store import Store
from ganmc_utils.networks.experiment import (
    IMAGE_BASELINES,
    Student,
    evaluation_epochs,
    fresh_images,
    mixture,
    network_name,
    with_flips,
)
from ganmc_utils.networks.models import make_network
from ganmc_utils.networks.trained import TrainedModels, source_of
from ganmc_utils.networks.training import logits, logits_with_dropout

CHAPTERS = [name for name in parameters.NOTEBOOKS if name < "06"]


def refuse(*_, **__):
    raise AssertionError("nothing must be loaded or trained")


@pytest.fixture
def no_work(monkeypatch):
    """Loading images and training anything fail."""
    for name in ("data", "trained_gan"):
        monkeypatch.setattr(TrainedModels, name, property(refuse))
    for name in ("train_classifier", "train_students"):
        monkeypatch.setattr(TrainedModels, name, refuse)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_second_run_loads_and_trains_nothing_and_gives_the_same_rows(tmp_path, chapter, request):
    names = run_toy_chapter(chapter, tmp_path)
    first = names["run"].rows
    assert {row.dataset for row in first} == {"digits"} and "test" in {row.split for row in first}
    if chapter in ("00_teachers_and_gan", "04_gan_quality"):
        names["trained"].pictures()
    request.getfixturevalue("no_work")
    again = run_toy_chapter(chapter, tmp_path)
    assert again["run"].rows == first
    if chapter in ("00_teachers_and_gan", "04_gan_quality"):
        pictures = again["trained"].pictures()
        assert set(pictures) == {1, 2, "real"} and pictures[1].shape == (20, 8, 8, 1)
        assert 0 <= pictures["real"].min() < pictures["real"].max() <= 1


def test_a_published_store_serves_another_folder(tmp_path, request, monkeypatch):
    first = run_toy_chapter("02_p_fake_sweep", tmp_path / "a")["run"]
    published = tmp_path / "published"
    published.mkdir()
    for name in first.store.seconds:
        (published / name).write_bytes((first.store.own / name).read_bytes())
    request.getfixturevalue("no_work")
    monkeypatch.setattr(Store.__init__, "__defaults__", (published,))
    again = run_toy_chapter("02_p_fake_sweep", tmp_path / "b")["run"]
    assert again.rows == first.rows and not list(again.store.own.glob("*"))
    of_training = {name for name in first.store.seconds if name.startswith("image-shape")}
    assert again.store.seconds.keys() == first.store.seconds.keys() - of_training
    whole = sum(first.store.seconds.values())
    assert sum(again.store.seconds.values()) == pytest.approx(whole)


def test_a_record_says_what_its_results_took_and_where(tmp_path):
    run_toy_chapter("02_p_fake_sweep", tmp_path)
    first = json.loads((tmp_path / "records/02_p_fake_sweep.json").read_text())
    run_toy_chapter("02_p_fake_sweep", tmp_path)
    again = json.loads((tmp_path / "records/02_p_fake_sweep.json").read_text())
    assert again["seconds"] == first["seconds"] == pytest.approx(sum(first["results"].values()))
    assert 0 < again["seconds_of_this_run"] < first["seconds_of_this_run"]
    assert again["machines"] == first["machines"] and len(first["machines"]) == 1
    assert {name.split("-")[0] for name in first["results"]} == {
        "teacher",
        "student",
        "image",
        "acgan",
    }


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_plan_lists_what_is_trained_and_trains_nothing(chapter, tmp_path, no_work):
    names = planned(chapter, **at_toy_size(chapter, out_dir=str(tmp_path)))
    listed = [student for students in names["students"].values() for student in students]
    assert listed and all(isinstance(student, Student) for student in listed)
    assert names["seeds"] and names["p"].teacher.network in {t.network for t in names["teachers"]}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_student_that_is_trained_stands_in_the_plan(chapter, tmp_path, monkeypatch):
    trained = []
    students = TrainedModels.students
    monkeypatch.setattr(
        TrainedModels,
        "students",
        lambda self, wanted, *more: trained.extend(wanted) or students(self, wanted, *more),
    )
    run_toy_chapter(chapter, tmp_path)
    names = planned(chapter, **at_toy_size(chapter, out_dir=str(tmp_path)))
    lists = [*names["students"].values(), *names.get("candidates", {}).values()]
    planned_units = {unit(student) for students in lists for student in students}
    short = names["p"].gan.choice_epochs
    chosen = [s for s in trained if unit(s) not in planned_units and s.epochs != short]
    left_open = {unit(s)[:2] for students in lists for s in students if s.p_fake is None}
    assert {unit(student)[:2] for student in chosen} <= left_open, "all but the share was planned"


def unit(student):
    """A student but for what validation decides."""
    return (network_name(student.teacher), student.network, student.source_id, student.p_fake)


def test_a_student_is_evaluated_at_every_epoch_of_the_start():
    epochs = evaluation_epochs(200)
    assert epochs[:20] == list(range(1, 21)) and epochs[-1] == 200
    assert set(range(20, 201, 20)) <= set(epochs) and 28 <= len(epochs) <= 36
    assert evaluation_epochs(2) == [1, 2] and evaluation_epochs(1) == [1]


def test_sets_have_images_teachers_gans_and_students_of_their_own(tmp_path):
    names = run_toy_chapter("02_p_fake_sweep", tmp_path)
    first, second = names["models"].values()
    assert not torch.equal(first.data.x_train, second.data.x_train)
    p = names["p"]
    weights = [next(models.teacher(p.teacher).parameters()) for models in (first, second)]
    assert not torch.equal(*weights) and first.gan_name != second.gan_name
    rng = torch.Generator().manual_seed(0)
    x, _ = first.generator(2).sample(5, rng)
    other, _ = second.generator(2).sample(5, rng.manual_seed(0))
    assert not torch.equal(x, other)
    assert {row.seed for row in names["run"].rows} == {0, 1}


def test_set_0_is_the_one_set_of_the_other_chapters(tmp_path):
    sets = run_toy_chapter("00_teachers_and_gan", tmp_path)["models"]
    one = run_toy_chapter("04_gan_quality", tmp_path)["trained"]
    assert one.gan_name == sets[0].gan_name != sets[1].gan_name


def test_out_of_fold_labels_are_those_of_a_teacher_that_has_not_seen_the_image(tmp_path):
    p = toy_parameters("01_dnn_compression")
    models = TrainedModels(p, Store(tmp_path))
    z = models.out_of_fold_logits(p.teacher, 2)
    d = models.data
    for k in (0, 1):  # a slow oracle: train on the one half, label the other
        half = torch.arange(len(d.x_train)) % 2 == k
        rest = (d.x_train[~half], d.y_train[~half])
        parts = models.parts("test")
        oracle = TrainedModels(p, Store(tmp_path / str(k)))
        teacher, _ = oracle.classifier("apart", p.teacher, *rest, 0, parts)
        assert torch.equal(z[half], logits(teacher, d.x_train[half]))
    assert not torch.allclose(z, logits(models.teacher(p.teacher), d.x_train))


def test_dropout_that_stays_on_is_drawn_from_the_images_and_leaves_the_network_as_it_was():
    net = make_network("nin", 0, 8, 1, 8, 3).eval()
    x = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    z = logits_with_dropout(net, x)
    assert torch.equal(z, logits_with_dropout(net, x)) and not net.training
    assert not any(module.training for module in net.modules())
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.allclose(z, logits(net, x)) and not torch.equal(
        z[:10], logits_with_dropout(net, x[:10])
    )


def test_over_many_draws_dropout_means_nothing_to_a_linear_network():
    net = torch.nn.Sequential(
        torch.nn.Dropout(0.5), torch.nn.Flatten(), torch.nn.Linear(64, 3, bias=False)
    ).eval()
    x = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    draws = torch.cat([logits_with_dropout(net, x + 1e-3 * k) for k in range(400)])
    straight = torch.cat([logits(net, x + 1e-3 * k) for k in range(400)])
    difference = draws - straight
    standard_error = difference.std(0) / 400**0.5
    assert (difference.mean(0).abs() < 4 * standard_error).all()


def test_fresh_images_bear_the_class_that_the_teacher_predicts(tmp_path):
    p = toy_parameters("01_dnn_compression")
    models = TrainedModels(p, Store(tmp_path))
    (student,) = fresh_images(p.data, p.teacher, p.student)
    (learner,) = models.learners([(student, 0)])
    batch = learner.batches.at(0, 0)
    assert torch.equal(batch.y, batch.z.argmax(1))
    noise = Student(p.teacher, p.student, "noise")
    (learner,) = models.learners([(noise, 0)])
    batch = learner.batches.at(0, 0)
    assert torch.equal(batch.y, batch.z.argmax(1))


def test_images_that_are_shifted_are_labelled_after_the_shift(tmp_path):
    p = toy_parameters("01_dnn_compression")
    models = TrainedModels(p, Store(tmp_path))
    shifted = p.student.model_copy(update={"augment": "flips+crops"})
    (learner,) = models.learners([(mixture(0.0, p.teacher, shifted), 0)])
    batch = learner.batches.at(3, 0)
    assert torch.equal(batch.z, logits(models.teacher(p.teacher), batch.x))
    assert not any(torch.equal(batch.x[0], x) for x in models.data.x_train)


def test_generated_images_are_flipped_where_the_training_images_are(tmp_path):
    p = toy_parameters("03_augmentation")
    models = TrainedModels(p, Store(tmp_path))
    generator = models.generator(2)
    plain = source_of(models.data, mixture(1.0, p.teacher, p.student), generator)
    flipped = source_of(
        models.data, mixture(1.0, p.teacher, with_flips(p.student, True)), generator
    )
    x, _ = plain.sample(50, torch.Generator().manual_seed(0))
    turned, _ = flipped.sample(50, torch.Generator().manual_seed(0))
    is_turned = [torch.equal(a.flip(2), b) for a, b in zip(x, turned)]
    is_same = [torch.equal(a, b) for a, b in zip(x, turned)]
    assert all(a != b for a, b in zip(is_turned, is_same)) and 10 < sum(is_turned) < 40


def test_the_image_gan_has_the_papers_noise(tmp_path):
    models = TrainedModels(toy_parameters("04_gan_quality"), Store(tmp_path))
    assert models.gan().settings.noise == 110
    trees = set().union(*(trees_used_by(d, (PACKAGE,)) for d in models.gan_deciders))
    assert "NOISE" in {tree.split(" = ")[0] for tree in trees}, "it is part of the GAN's name"
    assert models.gan().G.dense.in_features == 110 + 10


def test_students_are_the_same_alone_and_in_a_sweep(tmp_path):
    sweep = rows_of_chapter("02_p_fake_sweep", tmp_path / "a", p_fakes=[0.0, 0.5, 1.0])
    alone = rows_of_chapter("02_p_fake_sweep", tmp_path / "b", p_fakes=[0.0, 0.5], sets=[1])

    def half(rows):
        rows = [r for r in rows if r.setting.get("p_fake") == 0.5 and r.seed == 1]
        return [(r.split, r.metric, r.value) for r in rows]

    assert half(alone) and half(sweep) == half(alone)


def test_the_sources_of_chapter_01(tmp_path):
    rows = rows_of_chapter("01_dnn_compression", tmp_path, p_fakes=[0.2, 0.8], pairs=[])
    end = [r for r in rows if r.experiment == "l2" and r.setting["last"] and r.split == "test"]
    sources = {"student_only", "train", "gan", "train+gan", "fresh", "train_oob", *IMAGE_BASELINES}
    assert {(r.source, r.seed) for r in end} == {(s, seed) for seed in (0, 1) for s in sources}
    choice = pd.DataFrame(
        [
            {"p": r.setting["p_fake"], "v": r.value}
            for r in rows
            if r.experiment == "choice" and r.source == "train+gan"
        ]
    )
    chosen = {r.setting["p_fake"] for r in end if r.source == "train+gan"}
    assert chosen == {choice.groupby("p").v.mean().idxmax()}, "the share is chosen on validation"
    other = {r.setting["p_fake"] for r in rows if r.experiment == "l2_other"}
    assert other == {0.0} | chosen, "and the other LeNet takes the same"


def test_the_gan_epoch_is_chosen_on_validation(tmp_path):
    models = TrainedModels(toy_parameters("04_gan_quality"), Store(tmp_path))
    epoch, scores = models.gan_epoch()
    assert set(scores) == {1, 2} and scores[epoch] == max(scores.values())
    assert models.data.x_fresh.shape[0] == 100 and 0 < models.spread(2, models.generator(2)) < 2
    facts = models.gan_facts()
    assert facts["spread"][2] == models.spread(2, models.generator(2)) and facts["seconds"] > 0


def test_a_batch_larger_than_the_data_is_one_line(tmp_path):
    with pytest.raises(GanmcError, match="the batch of teacher is 200, larger"):
        run_toy_chapter("04_gan_quality", tmp_path, teacher=TOY["teacher"] | {"batch": 200})


def test_other_settings_are_other_files(tmp_path):
    p = toy_parameters("02_p_fake_sweep")
    models = TrainedModels(p, Store(tmp_path))
    student = Student(p.teacher, p.student, "jitter", jitter_scale=0.3)
    names = {models.student_name(student, 0), models.student_name(student, 1)}
    for change in ({"jitter_scale": 0.5}, {"source": "mixup"}, {"objective": "supervised"}):
        names.add(models.student_name(Student(**(vars(student) | change)), 0))
    wider = p.student.model_copy(update={"width": 3})
    names.add(models.student_name(Student(p.teacher, wider, "jitter", jitter_scale=0.3), 0))
    assert len(names) == 6
    more = TOY["data"] | {"n_train": 150}
    other = TrainedModels(toy_parameters("02_p_fake_sweep", data=more), Store(tmp_path))
    assert other.student_name(student, 0) not in names and other.gan_name != models.gan_name


def test_too_few_images_of_a_class_are_told_before_any_training(tmp_path):
    given = toy_parameters("00_teachers_and_gan")
    few = given.data.model_copy(update={"n_train": 12})
    models = TrainedModels(given.model_copy(update={"data": few}), Store(tmp_path))
    with pytest.raises(GanmcError, match="n_train 12: a class has [01] training images; raise"):
        _ = models.data
