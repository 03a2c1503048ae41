"""The experiments of Sec. 3, one function per chapter: which students are trained, and the rows of the record."""

import numpy as np

from ganmc_utils.core.records import Row
from ganmc_utils.networks import models
from ganmc_utils.networks.trained import Cast, Run, named

RIVALS = (
    "flips",
    "jitter",
    "mixup",
    "fresh",
)  # beside the GAN, each asked of the teacher at every step


class Chapter:
    """The cast of a notebook's parameters, and the rows it collects."""

    def __init__(self, p, out, cast=Cast):
        self.p, self.cast, self.rows = p, cast(p, out), []
        self.checksums = {p.data.name: self.cast.data.checksum}

    # what the chapters run

    def teachers_and_gan(self):
        """Chapter 00: sizes, the teacher's training, the GAN's snapshots and how they were ranked, and what it took."""
        _, history = self.cast.teacher(self.p.teacher)
        self.add("teacher", "none", history[-1]["seconds"], metric="seconds")
        for h in history:
            for part in ("train", "validation", "test"):
                self.add(
                    "teacher_curve", part, h[part], setting={"epoch": self.epoch(self.p.teacher, h)}
                )
        self.add_teacher(self.p.teacher)
        for name in models.NETWORKS:
            self.add(
                "parameters",
                "none",
                models.count_parameters(models.make_network(name, 0)),
                student=name,
                metric="parameters",
            )
        for plan in (self.p.teacher, self.p.student):
            self.add(
                "parameters",
                "none",
                models.count_parameters(self.cast.network(plan, 0)),
                student=plan.network,
                setting={"width": plan.width},
                metric="parameters",
            )
        gan = self.cast.gan()
        self.add("gan", "none", gan.seconds, metric="seconds")
        for epoch in gan.settings.snapshots:
            self.add(
                "gan_spread", "none", self.cast.spread(epoch), "gan", {"gan_epoch": epoch}, "spread"
            )
        for epoch, value in self.cast.gan_epoch()[1].items():
            self.add(
                "gan_choice",
                "validation",
                value,
                "gan",
                {"gan_epoch": epoch},
                student=named(self.p.student),
            )
        return self

    def dnn_compression(self):
        """Chapter 01: Fig. 1 (L2, the curves) and Table 1 (distillation, three pairs)."""
        p = self.p
        self.add_teacher(p.teacher)
        runs = [self.student_only(p.teacher, p.student), self.mixture(0.0)]
        runs += [self.mixture(1.0), *self.rivals()]
        best = self.best([self.mixture(s) for s in p.p_fakes], "the mixtures of Fig. 1")
        self.add_runs("l2", runs + [best], "the students of Fig. 1", curves=True)
        other = dict(student=p.other_student)
        self.add_runs(
            "l2_other",
            [
                self.student_only(p.teacher, p.other_student),
                self.mixture(0.0, **other),
                self.mixture(best(0).p_fake, **other),
            ],
            "the other LeNet",
        )
        for i, pair in enumerate(p.pairs, 1):
            self.add_teacher(pair.teacher, f"pair_{i}")
            kd = dict(
                objective="kd",
                T=pair.T,
                alpha=pair.alpha,
                teacher=pair.teacher,
                student=pair.student,
            )
            best = self.best(
                [self.mixture(s, **kd) for s in pair.p_fakes], f"the mixtures of pair {i}"
            )
            fresh = [self.other("fresh", **kd)] if p.data.n_fresh else []
            self.add_runs(
                f"pair_{i}",
                [
                    self.student_only(pair.teacher, pair.student),
                    self.mixture(0.0, **kd),
                    best,
                    *fresh,
                ],
                f"the students of pair {i}",
            )
        return self

    def p_fake_sweep(self):
        """Chapter 02: Fig. 2a, and the rivals at the same number of questions."""
        self.add_teacher(self.p.teacher)
        self.add_runs(
            "sweep",
            [self.mixture(s) for s in self.p.p_fakes] + self.rivals(),
            "the students of the sweep",
        )
        return self

    def augmentation(self):
        """Chapter 03: Fig. 2b, flips off and on for teacher and student, with training data and with the mixture."""
        for teacher in (self.turned(self.p.teacher, on) for on in (False, True)):
            self.add_teacher(teacher)
            for student in (self.turned(self.p.student, on) for on in (False, True)):
                who = dict(teacher=teacher, student=student)
                best = self.best(
                    [self.mixture(s, **who) for s in self.p.p_fakes],
                    "the mixtures of the augmentation chapter",
                )
                self.add_runs(
                    "augmentation",
                    [self.mixture(0.0, **who), best],
                    "the students of the augmentation chapter",
                )
        return self

    def gan_quality(self):
        """Chapter 04: Fig. 2c, students of GAN data alone against the GAN's epochs."""
        self.add_teacher(self.p.teacher)
        self.add_runs(
            "gan_quality",
            [self.mixture(0.0)] + [self.mixture(1.0, gan_epoch=e) for e in self.p.gan.snapshots],
            "the students of the GAN's snapshots",
        )
        return self

    def supervised_learning(self):
        """Chapter 05: Fig. 2d, the same mixtures without a teacher and with one."""
        runs = [self.mixture(s, objective=o) for o in ("supervised", "l2") for s in self.p.p_fakes]
        self.add_runs("supervised_learning", runs, "the students with and without a teacher")
        return self

    # the students: a function of the seed each

    def mixture(self, p_fake, **more):
        source = {0.0: "train", 1.0: "gan"}.get(p_fake, "train+gan")
        more = dict(teacher=self.p.teacher, student=self.p.student) | more
        if p_fake:
            more.setdefault("gan_epoch", self.cast.gan_epoch()[0])
        return lambda seed: Run(source=source, p_fake=p_fake, seed=seed, **more)

    def student_only(self, teacher, student):
        return self.mixture(0.0, objective="supervised", teacher=teacher, student=student)

    def other(self, source, **more):
        more = dict(teacher=self.p.teacher, student=self.p.student) | more
        if source == "jitter":
            more["jitter_scale"] = self.p.jitter_scale
        return lambda seed: Run(source=source, seed=seed, **more)

    def rivals(self):
        """The sources beside the GAN; fresh images only where the data hold some back."""
        return [self.other(s) for s in RIVALS if s != "fresh" or self.p.data.n_fresh]

    @staticmethod
    def turned(network, on):
        return network.model_copy(update={"augment": "flips" if on else "none"})

    def best(self, candidates, label):
        """The candidate whose students have the best mean accuracy on validation; all of them are recorded."""
        if len(candidates) == 1:
            return candidates[0]
        runs = [(c, [c(seed) for seed in self.p.seeds]) for c in candidates]
        histories = dict(
            zip(
                [r for _, rs in runs for r in rs],
                self.cast.students([r for _, rs in runs for r in rs], label),
            )
        )
        for _, rs in runs:
            for r in rs:
                self.add(
                    "choice",
                    "validation",
                    histories[r][-1]["validation"],
                    r.name,
                    r.setting,
                    seed=r.seed,
                    teacher=named(r.teacher),
                    student=named(r.student),
                )
        return max(
            runs, key=lambda found: np.mean([histories[r][-1]["validation"] for r in found[1]])
        )[0]

    # rows

    def add(
        self,
        experiment,
        part,
        value,
        source="none",
        setting=None,
        metric="accuracy",
        seed=None,
        teacher=None,
        student="none",
    ):
        self.rows.append(
            Row(
                experiment=experiment,
                dataset=self.p.data.name,
                teacher=teacher or named(self.p.teacher),
                student=student,
                source=source,
                setting=setting or {},
                seed=seed,
                split=part,
                metric=metric,
                value=float(value),
            )
        )

    def add_teacher(self, plan, experiment="teacher"):
        """The teacher's accuracies at the end of its training."""
        _, history = self.cast.teacher(plan)
        for part in ("train", "validation", "test"):
            self.add(experiment, part, history[-1][part], teacher=named(plan))

    def add_runs(self, experiment, students, label, curves=False):
        """Train and record students (functions of the seed): the scores at the end, with curves also along the way."""
        runs = [make(seed) for make in students for seed in self.p.seeds]
        for run, history in zip(runs, self.cast.students(runs, label)):
            who = dict(seed=run.seed, teacher=named(run.teacher), student=named(run.student))
            for h in history if curves else history[-1:]:
                setting = run.setting | {
                    "epoch": self.epoch(run.student, h),
                    "last": int(h is history[-1]),
                }
                for part in ("validation", "test"):
                    self.add(experiment, part, h[part], run.name, setting, **who)
                self.add(experiment, "train", h["loss"], run.name, setting, "loss", **who)

    def epoch(self, network, h):
        """Passes over as many rows as the training part has."""
        return round(h["step"] / (self.p.data.n_train // network.batch), 2)
