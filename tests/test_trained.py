"""Chapters 00 to 05 at toy size: what is trained once, chosen on validation, and found again."""

import json

import pandas as pd
import pytest
from helpers import TOY, rows_of_chapter, run_toy_chapter, toy_parameters

from ganmc_utils.core import parameters
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.plan import planned
from ganmc_utils.core.store import Store
from ganmc_utils.networks.experiment import Student, network_name
from ganmc_utils.networks.trained import TrainedModels

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
    assert sum(again.store.seconds.values()) == sum(first.store.seconds.values())


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
    names = planned(chapter, **TOY, out_dir=str(tmp_path))
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
    names = run_toy_chapter(chapter, tmp_path)
    planned_units = {unit(s) for of in names["students"].values() for s in of}
    chosen = [s for s in trained if unit(s) not in planned_units]
    short = names["p"].gan.choice_epochs
    assert all(s.epochs == short or s.network == names["p"].other_student for s in chosen)


def unit(student):
    """A student but for what validation decides."""
    return (network_name(student.teacher), student.network, student.source_id, student.p_fake)


def test_students_are_the_same_alone_and_in_a_sweep(tmp_path):
    sweep = rows_of_chapter("02_p_fake_sweep", tmp_path / "a", p_fakes=[0.0, 0.5, 1.0])
    alone = rows_of_chapter("02_p_fake_sweep", tmp_path / "b", p_fakes=[0.5], seeds=[1])

    def half(rows):
        rows = [r for r in rows if r.setting.get("p_fake") == 0.5 and r.seed == 1]
        return [(r.split, r.metric, r.value) for r in rows]

    assert half(alone) and half(sweep) == half(alone)


def test_the_sources_of_chapter_01(tmp_path):
    rows = rows_of_chapter("01_dnn_compression", tmp_path, p_fakes=[0.2, 0.8], pairs=[])
    end = [r for r in rows if r.experiment == "l2" and r.setting["last"] and r.split == "test"]
    sources = ("student_only", "train", "gan", "train+gan", "flips", "jitter", "mixup", "fresh")
    assert {(r.source, r.seed) for r in end} == {(s, seed) for seed in (0, 1) for s in sources}
    choice = pd.DataFrame(
        [{"p": r.setting["p_fake"], "v": r.value} for r in rows if r.experiment == "choice"]
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
    with pytest.raises(GanmcError, match="batch 200 is larger"):
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
