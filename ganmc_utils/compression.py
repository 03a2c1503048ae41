"""The random-forest experiment of Sec. 4 on one dataset: teacher, sources, students, rows of a record."""
import numpy as np

from . import forests, paths, scores
from .acgan import AcGan, Settings
from .datasets import read, split
from .records import Row, cached_rows
from .sources import Gan, Jitter, Munge, MungeAuthors, Rows, Smote


def splits(plan, data_dir):
    """One random split per seed of the plan's table."""
    table = read(plan.table, data_dir, plan.path, plan.target)
    return [split(table, plan.n_train, plan.n_validation, plan.n_test, plan.n_fresh, seed, plan.preparation)
            for seed in plan.seeds]


def train_gans(plan, datasets, out):
    """The AC-GANs of all seeds of a plan, one batched loop per class weight: {class weight: AcGan}."""
    x, y = np.stack([d.x_train for d in datasets]), np.stack([d.y_train for d in datasets])
    gans = {}
    for weight in plan.gan_class_weights:
        settings = Settings(epochs=plan.gan_epochs, snapshots=snapshots(plan.gan_epochs), members=plan.gan_members,
                            class_weight=weight, batch=min(100, plan.n_train))
        checkpoint = out / "checkpoints" / f"acgan-{plan.name}-{weight}.safetensors"
        gans[weight] = AcGan(x, y, settings, plan.seeds).train(checkpoint)
    return gans


def snapshots(epochs, n=5):
    """The epochs whose generators are kept: n of them, evenly over the second half of the training."""
    return tuple(sorted({int(e) for e in np.linspace(epochs / 2, epochs, n).round()}))


class Run:
    """One dataset, one seed, one teacher: everything is scored against the same parts."""

    def __init__(self, plan, p, seed_index, dataset, gans, max_features):
        self.main = max_features == plan.max_features[0]  # other teachers: single trees only
        self.plan, self.p, self.data, self.gans, self.seed_index = plan, p, dataset, gans, seed_index
        self.seed, self.rows, self.n_fake = plan.seeds[seed_index], [], p.fake_per_real * plan.n_train
        self.name = f"forest_{max_features}"
        self.teacher = forests.fit_teacher(dataset.x_train, dataset.y_train, p.teacher_trees,
                                           None if max_features == "none" else max_features, self.seed)
        self.p_train = forests.label(self.teacher, dataset.x_train)

    def add(self, experiment, split, value, source="none", setting=None, metric=None, teacher=None, student="forest"):
        self.rows.append(Row(experiment=experiment, dataset=self.plan.name, teacher=teacher or self.name,
                             student=student, source=source, setting=setting or {}, seed=self.seed, split=split,
                             metric=metric or self.data.metric, value=float(value)))

    def score(self, split, prediction):
        return scores.score(self.data.metric, getattr(self.data, f"y_{split}"), prediction)

    def rng(self, source):
        """A stream of its own for each source, so that leaving one out changes no other."""
        return np.random.default_rng([self.seed, *source.encode()])

    def candidates(self, source):
        """The settings of a source between which the validation part decides: [(setting, source), ...]."""
        x, y = self.data.x_train, self.data.y_train
        if source == "gan":
            every = range(self.plan.gan_members)
            return [({"class_weight": w, "members": len(m), "snapshots": len(e)}, Gan(g, self.seed_index, e, tuple(m)))
                    for w, g in self.gans.items() for e in (g.settings.snapshots[-1:], g.settings.snapshots)
                    for m in ([0], every)]
        if source == "jitter":
            return [({"scale": s}, Jitter(x, y, s)) for s in self.p.jitter_scales]
        return [({}, {"smote": Smote, "munge": Munge, "munge_authors": MungeAuthors, "fresh": lambda x, y: Rows(
            self.data.x_fresh)}[source](x, y))]

    def choose(self, source):
        """The candidate whose labelled sample trains the best single tree, by validation score."""
        found = self.candidates(source)
        if len(found) == 1:
            return found[0]
        n = min(self.n_fake, 20_000)  # enough to rank candidates; the final set is drawn anew
        best = []
        for setting, candidate in found:
            x, _ = candidate.sample(n, self.rng(source + "/choice"))
            student = forests.fit_student(x, forests.label(self.teacher, x), seed=self.seed)
            best.append(self.score("validation", student.predict(self.data.x_validation)))
            self.add("choice", "validation", best[-1], source, setting)
        return found[int(np.argmax(best))]

    def add_curve(self, experiment, source, x, target, teacher=None):
        """Fit one forest of max_trees and score each of its prefixes."""
        student = forests.fit_student(x, target, self.plan.max_trees if self.main else 1, seed=self.seed)
        for split in ("validation", "test"):
            for k, prediction in enumerate(forests.curve(student, getattr(self.data, f"x_{split}")), 1):
                self.add(experiment, split, self.score(split, prediction), source, {"trees": k}, teacher=teacher)
        self.add("cost", "none", forests.count_nodes(student, 1), source, {"trees": 1}, "nodes")

    def compression_set(self, source):
        """(x, p, intended class or None) of a source, the train part joined for `train+gan`."""
        if source == "train":
            return self.data.x_train, self.p_train, self.data.y_train
        setting, chosen = self.choose("gan" if source == "train+gan" else source)
        n = min(self.n_fake, len(self.data.x_fresh)) if source == "fresh" else self.n_fake
        x, intended = chosen.sample(n, self.rng(source))
        p = forests.label(self.teacher, x)
        self.add("queries", "none", n, source, setting, "rows")
        return x, p, intended

    def everything(self):
        """All rows of this run; with the main teacher also supervised learning and the small students."""
        d = self.data
        for split in ("validation", "test"):
            self.add("teacher", split, self.score(split, forests.label(self.teacher, getattr(d, f"x_{split}"))), student="none")
        self.add("cost", "none", forests.count_nodes(self.teacher), metric="nodes", student="none")
        self.add_curve("compression", "student_only", d.x_train, d.y_train.astype(float))
        sets, seen = {}, [s for s in self.plan.sources if s != "train+gan"]
        for source in seen:
            sets[source] = self.compression_set(source)
            self.add_curve("compression", source, *sets[source][:2])
        if "train+gan" in self.plan.sources:
            x, p, intended = sets["gan"]
            joined = np.concatenate([d.x_train, x]), np.concatenate([self.p_train, p])
            self.add_curve("compression", "train+gan", *joined)
            if self.main:
                self.add_curve("supervised", "gan", x, intended.astype(float), teacher="none")
                self.add_curve("supervised", "train+gan", joined[0], np.concatenate([d.y_train, intended]).astype(float), teacher="none")
        if self.main and self.plan.leaf_caps:
            self.small_students()
        return self.rows

    def small_students(self):
        """Honest compression: leaf-capped students of the source that is best on validation."""
        trees1 = {r.source: r.value for r in self.rows if r.experiment == "compression" and r.split == "validation"
                  and r.setting["trees"] == 1 and r.source not in ("student_only", "train", "train+gan", "fresh")}
        source = max(trees1, key=trees1.get)
        _, chosen = self.choose(source)
        x, _ = chosen.sample(self.plan.headline_budget * self.plan.n_train, self.rng(source + "/small"))
        x = np.concatenate([self.data.x_train, x])
        target, kept = forests.label(self.teacher, x), []
        truth = {s: self.score(s, forests.label(self.teacher, getattr(self.data, f"x_{s}"))) for s in ("validation", "test")}
        for trees in (1, 2, 5):
            for cap in self.plan.leaf_caps:
                student = forests.fit_student(x, target, trees, cap, self.seed)
                loss = {s: truth[s] - self.score(s, student.predict(getattr(self.data, f"x_{s}"))) for s in truth}
                setting = {"trees": trees, "leaf_cap": cap}
                nodes = forests.count_nodes(student)
                for s in loss:
                    self.add("capped", s, loss[s], source, setting, "loss")
                self.add("capped", "none", nodes, source, setting, "nodes")
                kept.append((nodes, loss, setting, student))
        self.headline(source, kept)

    def headline(self, source, kept):
        """The smallest student whose validation loss is within 0.5 and within 1.2 points of its teacher."""
        slow = {b: forests.throughput(self.teacher, self.data.x_test, b) for b in (self.p.throughput_rows, 1)}
        disk = forests.bytes_on_disk(self.teacher)
        for limit in (0.005, 0.012):
            within = [k for k in kept if k[1]["validation"] <= limit]
            nodes, loss, setting, student = min(within or kept, key=lambda k: k[0] if within else k[1]["validation"])
            setting = {"limit": limit} | setting
            self.add("headline", "test", loss["test"], source, setting, "loss")
            self.add("headline", "none", forests.count_nodes(self.teacher) / nodes, source, setting, "fewer_nodes")
            self.add("headline", "none", disk / forests.bytes_on_disk(student), source, setting, "fewer_bytes")
            for batch, teacher in slow.items():
                fast = forests.throughput(student, self.data.x_test, batch).rows_per_second
                tag = "speedup" if batch > 1 else "speedup_batch_1"
                self.add("headline", "none", fast / teacher.rows_per_second, source, setting, tag)
                self.add("throughput", "none", fast, source, setting | {"batch": batch}, "rows_per_second")
        for batch, teacher in slow.items():
            self.add("throughput", "none", teacher.rows_per_second, setting={"batch": batch}, metric="rows_per_second", student="none")


def run_plan(plan, p, out, progress):
    """All rows of one dataset, each (seed, teacher) stored as it is done so that a killed run goes on."""
    data = splits(plan, p.data_dir)
    gans = train_gans(plan, data, out) if {"gan", "train+gan"} & set(plan.sources) else {}
    rows = []
    for i, dataset in enumerate(data):
        for max_features in plan.max_features:
            key = {"plan": plan.model_dump(exclude={"seeds"}), "seed": plan.seeds[i], "teacher": max_features, "data": dataset.checksum,
                   "p": p.model_dump(exclude={"datasets", "out_dir", "data_dir"})}
            rows += cached_rows(out, f"06-{plan.name}-{plan.seeds[i]}-{max_features}", key,
                                lambda: Run(plan, p, i, dataset, gans, max_features).everything())
            progress.update()
    return rows, {plan.name: data[0].checksum}
