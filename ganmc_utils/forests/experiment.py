"""The random-forest experiment of Sec. 4 on one dataset: teacher, sources, students, rows of a record."""

import numpy as np

from ganmc_utils.core.records import Row, cached_rows, digest
from ganmc_utils.forests import models
from ganmc_utils.forests.data import read_table, split_table
from ganmc_utils.forests.sources import Munge, MungeAuthors, PooledGan, RealRows, RowJitter, Smote
from ganmc_utils.gan.acgan import AcGan, GanSettings
from ganmc_utils.report import statistics

RANKING_ROWS, RANKING_TREES = (
    10_000,
    3,
)  # what ranks the candidates of a source; the compression set is drawn anew
MODULES = (
    "datasets",
    "download",
    "forests",
    "checkpoints",
    "graphs",
    "acgan",
    "sources",
    "scores",
    "compression",
)  # decide a row's value
LOSS_LIMITS = (
    0.005,
    0.012,
)  # what the smallest student may lose against its teacher; 0.012 is the paper's


def splits(plan, data_dir):
    """One random split per seed of the plan's table."""
    table = read_table(plan.table, data_dir, plan.path, plan.target)
    return [
        split_table(
            table,
            plan.n_train,
            plan.n_validation,
            plan.n_test,
            plan.n_fresh,
            seed,
            plan.preparation,
        )
        for seed in plan.seeds
    ]


def train_gans(plan, datasets, out):
    """The AC-GANs of all seeds of a plan, one batched loop per objective: a list as long as plan.gans."""
    x, y = np.stack([d.x_train for d in datasets]), np.stack([d.y_train for d in datasets])
    gans = []
    for g in plan.gans:
        settings = GanSettings(
            epochs=plan.gan_epochs,
            snapshots=snapshots(plan.gan_epochs),
            members=g.members,
            class_weight=g.class_weight,
            batch=min(100, plan.n_train),
        )
        checkpoint = out / "checkpoints" / f"acgan-{plan.name}-{g.class_weight}.safetensors"
        gans.append(AcGan(x, y, settings, plan.seeds).train(checkpoint))
    return gans


def snapshots(epochs, n=12):
    """The epochs whose generators are kept: n of them, evenly over the last three quarters of the training."""
    return tuple(sorted({int(e) for e in np.linspace(epochs / 4, epochs, n).round() if e >= 1}))


class Run:
    """One dataset, one seed, one teacher: everything is scored against the same parts."""

    def __init__(self, plan, p, seed_index, dataset, gans, max_features):
        self.main = max_features == plan.max_features[0]  # other teachers: single trees only
        self.plan, self.p, self.data, self.gans, self.seed_index = (
            plan,
            p,
            dataset,
            gans,
            seed_index,
        )
        self.seed, self.n_fake = plan.seeds[seed_index], p.fake_per_real * plan.n_train
        self.rows, self.chosen, self.ranked = [], {}, {}
        self.name = f"forest_{max_features}"
        self.teacher = models.fit_teacher(
            dataset.x_train,
            dataset.y_train,
            p.teacher_trees,
            None if max_features == "none" else max_features,
            self.seed,
        )
        self.p_train = models.probability_of_class_1(self.teacher, dataset.x_train)
        self.teacher_score = {
            s: self.score(
                s, models.probability_of_class_1(self.teacher, getattr(dataset, f"x_{s}"))
            )
            for s in ("validation", "test")
        }

    def everything(self):
        """All rows of this run; with the main teacher also costs, supervised learning and the small students."""
        for part, value in self.teacher_score.items():
            self.add("teacher", part, value, student="none")
        x, y, sets = self.data.x_train, self.data.y_train.astype(float), {}
        self.add_curve("compression", "student_only", x, y)
        for source in self.plan.sources:
            sets[source] = self.compression_set(source, sets)
            self.add_curve("compression", source, *sets[source][:2])
            if self.main and source in ("gan", "train+gan"):
                self.add_curve(
                    "supervised",
                    source,
                    sets[source][0],
                    sets[source][2].astype(float),
                    teacher="none",
                )
        if "gan" in self.plan.sources:
            self.papers_gan()
        if self.main:
            self.costs()
            if self.plan.leaf_caps:
                self.small_students()
        return self.rows

    def add(
        self,
        experiment,
        part,
        value,
        source="none",
        setting=None,
        metric=None,
        teacher=None,
        student="forest",
    ):
        self.rows.append(
            Row(
                experiment=experiment,
                dataset=self.plan.name,
                teacher=teacher or self.name,
                student=student,
                source=source,
                setting=setting or {},
                seed=self.seed,
                split=part,
                metric=metric or self.data.metric,
                value=float(value),
            )
        )

    def score(self, part, prediction):
        return statistics.prediction_score(
            self.data.metric, getattr(self.data, f"y_{part}"), prediction
        )

    def rng(self, stream):
        """A stream of its own for each source, so that leaving one out changes no other."""
        return np.random.default_rng([self.seed, *stream.encode()])

    def candidates(self, source):
        """The settings of a source between which the validation part decides: [(setting, source), ...]."""
        x, y = self.data.x_train, self.data.y_train
        if source == "gan":
            return self.single_gans() + [pool for gan in self.gans for pool in self.pools(gan)]
        if source == "jitter":
            return [({"scale": s}, RowJitter(x, y, s)) for s in self.p.jitter_scales]
        return [
            (
                {},
                {
                    "smote": Smote,
                    "munge": Munge,
                    "munge_authors": MungeAuthors,
                    "fresh": lambda x, y: RealRows(self.data.x_fresh),
                }[source](x, y),
            )
        ]

    def single_gans(self):
        """What the paper uses: one generator trained with Eq. 2a, a candidate for each snapshot."""
        return [
            (
                {"class_weight": 1.0, "members": 1, "first_epoch": e, "last_epoch": e},
                PooledGan(gan, self.seed_index, (e,), (0,)),
            )
            for gan in self.gans
            if gan.settings.class_weight == 1.0
            for e in gan.settings.snapshots
        ]

    def pools(self, gan):
        """All members of a seed, over all snapshots, their first half and their second."""
        s, half = gan.settings, len(gan.settings.snapshots) // 2
        return [
            (
                {
                    "class_weight": s.class_weight,
                    "members": s.members,
                    "first_epoch": e[0],
                    "last_epoch": e[-1],
                },
                PooledGan(gan, self.seed_index, e, tuple(range(s.members))),
            )
            for e in (s.snapshots, s.snapshots[:half], s.snapshots[half:])
            if e
        ]

    def choose(self, source):
        """The candidate whose labelled sample trains the best single tree, by validation score."""
        if source not in self.chosen:
            self.chosen[source] = self.best(source, self.candidates(source))
        return self.chosen[source]

    def best(self, source, found):
        return (
            found[0]
            if len(found) == 1
            else max(found, key=lambda candidate: self.rank(source, *candidate))
        )

    def rank(self, source, setting, candidate):
        """Mean validation score of a few single trees from a candidate, computed and recorded once."""
        key = source, *setting.items()
        if key not in self.ranked:
            x, _ = candidate.sample(min(self.n_fake, RANKING_ROWS), self.rng(source + "/choice"))
            student = models.fit_student(
                x, models.probability_of_class_1(self.teacher, x), RANKING_TREES, seed=self.seed
            )
            self.ranked[key] = np.mean(
                [
                    self.score("validation", tree.predict(self.data.x_validation))
                    for tree in student.estimators_
                ]
            )
            self.add("choice", "validation", self.ranked[key], source, setting)
        return self.ranked[key]

    def compression_set(self, source, sets):
        """(x, p, intended class or None) of a source: rows, the teacher's answers, the classes meant."""
        d = self.data
        if source == "train":
            return d.x_train, self.p_train, d.y_train
        if source == "train+gan":
            return tuple(
                np.concatenate(pair)
                for pair in zip((d.x_train, self.p_train, d.y_train), sets["gan"])
            )
        setting, chosen = self.choose(source)
        n = min(self.n_fake, len(d.x_fresh)) if source == "fresh" else self.n_fake
        x, intended = chosen.sample(n, self.rng(source))
        self.add("queries", "none", n, source, setting, "rows")
        return x, models.probability_of_class_1(self.teacher, x), intended

    def add_curve(self, experiment, source, x, target, teacher=None):
        """Fit one forest of max_trees and score each of its prefixes; the cost of its first tree."""
        student = models.fit_student(
            x, target, self.plan.max_trees if self.main else 1, seed=self.seed
        )
        for part in ("validation", "test"):
            for k, prediction in enumerate(
                models.predictions_by_size(student, getattr(self.data, f"x_{part}")), 1
            ):
                self.add(
                    experiment,
                    part,
                    self.score(part, prediction),
                    source,
                    {"trees": k},
                    teacher=teacher,
                )
        if self.main and experiment == "compression":
            self.add(
                "cost",
                "none",
                models.count_nodes(models.first_trees(student, 1)),
                source,
                {"trees": 1},
                "nodes",
            )

    def papers_gan(self):
        """One tree from the paper's own generator: a single AC-GAN with Eq. 2a, its epoch chosen on validation."""
        if singles := self.single_gans():
            setting, single = self.best("gan", singles)
            x, _ = single.sample(self.n_fake, self.rng("gan/single"))
            student = models.fit_student(
                x, models.probability_of_class_1(self.teacher, x), seed=self.seed
            )
            self.add(
                "single_gan",
                "test",
                self.score("test", student.predict(self.data.x_test)),
                "gan",
                setting | {"trees": 1},
            )

    def costs(self):
        """What the teacher costs; single trees have their nodes counted where they are fitted."""
        self.teacher_cost = models.cost(self.teacher, self.data.x_test, self.p.throughput_rows)
        for metric, value in self.teacher_cost.items():
            self.add("cost", "none", value, metric=metric, student="none")

    def small_students(self):
        """Honest compression: leaf-capped students of the source that validation likes best (also single trees alone, the
        fastest), and of the GAN."""
        value = {
            r.source: r.value
            for r in self.rows
            if r.experiment == "compression"
            and r.split == "validation"
            and r.setting["trees"] == 1
            and r.source in self.chosen
            and r.source != "fresh"
        }
        students, best, most = {}, max(value, key=value.get), self.plan.small_trees
        for experiment, source, trees in (
            ("headline", best, most),
            ("headline_gan", "gan", most),
            ("headline_tree", best, 1),
        ):
            if source in value:
                students[source] = students.get(source) or self.capped(source)
                self.smallest(
                    experiment, source, [s for s in students[source] if s[3]["trees"] <= trees]
                )

    def capped(self, source):
        """[(nodes, loss on validation, loss on test, setting, student)] of all small students of a source."""
        _, chosen = self.choose(source)
        x, _ = chosen.sample(
            self.plan.small_budget * self.plan.n_train, self.rng(source + "/small")
        )
        x, found = np.concatenate([self.data.x_train, x]), []
        target = models.probability_of_class_1(self.teacher, x)
        for cap in self.plan.leaf_caps:
            largest = models.fit_student(x, target, self.plan.small_trees, cap, self.seed)
            for k in range(1, self.plan.small_trees + 1):
                student, setting = models.first_trees(largest, k), {"trees": k, "leaf_cap": cap}
                loss = [
                    self.teacher_score[part]
                    - self.score(part, student.predict(getattr(self.data, f"x_{part}")))
                    for part in ("validation", "test")
                ]
                found.append((models.count_nodes(student), *loss, setting, student))
                self.add("capped", "none", found[-1][0], source, setting, "nodes")
                self.add("capped", "test", loss[1], source, setting, "loss")
        return found

    def smallest(self, experiment, source, students):
        """The smallest student whose validation loss is within each limit (else the best), and its costs."""
        for limit in LOSS_LIMITS:
            within = [s for s in students if s[1] <= limit]
            _, _, loss, setting, student = (
                min(within, key=lambda s: s[0]) if within else min(students, key=lambda s: s[1])
            )
            setting, cost = (
                {"limit": limit} | setting,
                models.cost(student, self.data.x_test, self.p.throughput_rows),
            )
            self.add(experiment, "test", loss, source, setting, "loss")
            for metric, value in cost.items():
                self.add(experiment, "none", value, source, setting, metric)
            for metric, name in (("nodes", "fewer_nodes"), ("bytes", "fewer_bytes")):
                self.add(
                    experiment,
                    "none",
                    self.teacher_cost[metric] / cost[metric],
                    source,
                    setting,
                    name,
                )
            for metric, name in (
                ("rows_per_second", "speedup"),
                ("rows_per_second_batch_1", "speedup_batch_1"),
            ):
                self.add(
                    experiment,
                    "none",
                    cost[metric] / self.teacher_cost[metric],
                    source,
                    setting,
                    name,
                )


def run_plan(plan, p, out, progress):
    """All rows of one dataset, each (seed, teacher) stored as it is done so that a killed run goes on."""
    data = splits(plan, p.data_dir)
    gans = train_gans(plan, data, out) if "gan" in plan.sources else []
    rows = []
    for i, dataset in enumerate(data):
        for max_features in plan.max_features:
            key = {
                "plan": plan.model_dump(exclude={"seeds"}),
                "seed": plan.seeds[i],
                "teacher": max_features,
                "data": dataset.checksum,
                "p": p.model_dump(exclude={"datasets", "out_dir", "data_dir"}),
            }
            path = (
                out
                / "checkpoints"
                / f"06-{plan.name}-{plan.seeds[i]}-{max_features}-{digest(key, MODULES)}.json"
            )
            rows += cached_rows(
                path, lambda: Run(plan, p, i, dataset, gans, max_features).everything()
            )
            progress.update()
    return rows, {plan.name: data[0].checksum}
