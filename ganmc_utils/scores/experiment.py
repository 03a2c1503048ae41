"""The experiments of chapter 07: what each score says of generators (Table 4) and of samples whose order of quality is
known, how the Compression Score ranks the tabular sources of chapter 06, and what the scores cost."""

import hashlib
import time
from functools import cached_property

import torch
from torchvision.models import inception_v3

from ganmc_utils.core.records import Row, cached_rows, digest
from ganmc_utils.forests import experiment as forest_experiment
from ganmc_utils.forests import models as forest_models
from ganmc_utils.forests.sources import RealRows
from ganmc_utils.gan import class_only
from ganmc_utils.networks import sources as image_sources
from ganmc_utils.networks import training
from ganmc_utils.networks.batches import random_stream
from ganmc_utils.networks.trained import MODULES as CAST
from ganmc_utils.networks.trained import Cast, named
from ganmc_utils.scores import degraded, other_scores
from ganmc_utils.scores.compression_score import compression_score

MODULES = (*CAST, "compression_score", "generator_metrics", "series", "inferior_gan", "quality")
REFERENCES = 1_000_000  # added to the seeds of the students of the real data, who are the same for every set of samples


class Remembered:
    """f(x, *more) of a tensor, computed once for each content."""

    def __init__(self, f):
        self.f, self.known = f, {}

    def __call__(self, x, *more):
        key = hashlib.sha256(x.cpu().contiguous().numpy().tobytes()).hexdigest(), *more
        if key not in self.known:
            self.known[key] = self.f(x, *more)
        return self.known[key]


class Quality:
    """All rows of chapter 07. The seeds p.seeds are draws: of the samples, and of the p.score.students that each trains."""

    def __init__(self, p, out):
        self.p, self.out, self.cast, self.rows = p, out, Cast(p, out), []
        d = self.data = self.cast.data
        self.checksums = {p.data.name: d.checksum}
        self.teacher = Remembered(lambda x: training.logits(self.cast.teacher(p.teacher)[0], x))
        self.of_images = Remembered(self.image_scores)
        half = (
            len(d.x_fresh) // 2
        )  # real samples come from one half, the classifier learns from the other
        self.real = (
            "fresh" if half >= len(d.x_train) else "train"
        )  # where no images are held back, from the training part
        parts = {
            "fresh": ((d.x_fresh[:half], d.y_fresh[:half]), (d.x_fresh[half:], d.y_fresh[half:])),
            "train": ((d.x_train, d.y_train), (d.x_train, d.y_train)),
        }
        self.pool, self.for_classifier = parts[self.real]

    def everything(self):
        self.generators()
        self.known_order()
        self.timing()
        self.tabular()
        return self

    # the cast

    @cached_property
    def classifier(self):
        """What IS, FID and KID see through: Inception-v3 if asked for, else a network trained for it."""
        if self.p.inception:
            return other_scores.inception_v3_classifier(self.cast.device)
        net, history = self.cast.classifier(
            "classifier", self.p.classifier, *self.for_classifier, 1, self.cast.parts("validation")
        )
        self.add("classifier", "validation", history[-1]["validation"], metric="accuracy")
        return other_scores.classifier_of_network(
            f"{named(self.p.classifier)}, a classifier trained for it", net
        )

    @cached_property
    def inferior(self):
        """The GAN and its further epochs on L_class alone."""
        path = self.cast.path(
            "inferior-gan",
            {"gan": self.p.gan.model_dump(), "epochs": self.p.inferior_epochs},
            "safetensors",
        )
        return class_only.ClassOnly(self.cast.gan(), self.p.inferior_epochs).train(path)

    @cached_property
    def seen(self):
        """Features of the training images."""
        return self.classifier(self.data.x_train)[0]

    def student(self, seed):
        return self.cast.network(self.p.student, seed)

    def generator(self, name):
        """gan: as it was at the end of its training; a number: after that epoch; or one of inferior_gan.names."""
        if (more := class_only.set_names(self.p.inferior_epochs).get(name)) is not None:
            return image_sources.GeneratedImages(self.inferior, self.p.gan.epochs + more)
        return image_sources.GeneratedImages(
            self.cast.gan(), self.p.gan.epochs if name == "gan" else int(name)
        )

    def samples(self, name, draw):
        """(images, classes) of a set, as many as there are training images."""
        d, rng = self.data, random_stream(self.cast.device, "samples", name, draw)
        if name == "train":
            return d.x_train, d.y_train
        if name == "fresh":
            x, y = self.pool
            rows = torch.randperm(len(x), generator=rng, device=self.cast.device)[: len(d.x_train)]
            return x[rows], y[rows]
        return self.generator(name).sample(len(d.x_train), rng)

    def pictures(self, per_class=2):
        """[(images for people, title)] of the real data, the GAN and the inferior one."""
        titles = {
            "train": "Training images",
            "gan": "GAN, well trained",
            "inferior": f"GAN, {max(self.p.inferior_epochs)} more epochs on its class loss",
        }
        return [
            (
                self.cast.pictures_of(None if name == "train" else self.generator(name), per_class),
                title,
            )
            for name, title in titles.items()
        ]

    # the scores

    def score(self, x, draws, version="v2", teacher=None):
        s = self.p.score
        seeds = [s.students * draw + k for draw in draws for k in range(s.students)]
        others = [REFERENCES + k for k in range(s.students * len(self.p.seeds))]
        return compression_score(
            x,
            self.data,
            teacher or self.teacher,
            self.student,
            version=version,
            seeds=seeds,
            reference_seeds=others,
            batch=s.batch,
            lr=s.lr,
        )

    def image_scores(self, x, draw):
        """{metric: value} of the scores that ask for no classes."""
        features, logits = self.classifier(x)
        return {
            "compression_score": self.score(x, [draw]).value,
            "inception_score": other_scores.inception_score(logits),
            "confidence": other_scores.confidence(logits),
            "fid": other_scores.fid(self.seen, features),
            "kid": other_scores.kid(self.seen, features),
        }

    def all_scores(self, x, c, draw):
        s = self.p.score
        return self.of_images(x, draw) | {
            "intra_fid": other_scores.intra_fid(
                self.seen, self.data.y_train, self.classifier(x)[0], c
            ),
            "cas": other_scores.classification_accuracy(
                x, c, self.data, self.student, draw, batch=s.batch, lr=s.lr
            ),
        }

    def scored(self, experiment, name, draw, setting, make, v1=False):
        """Rows of all scores of make() -> (x, c), from their file or computed now; v1: also the first version's."""

        def compute():
            x, c = make()
            found = self.all_scores(x, c, draw)
            if v1:
                found["compression_score_v1"] = self.score(x, [draw], "v1").value
            return [
                self.row(
                    experiment,
                    "test",
                    v,
                    name if name in ("train", "fresh") else "gan",
                    setting,
                    m,
                    draw,
                )
                for m, v in found.items()
            ]

        key = {
            "p": self.p.model_dump(
                include={
                    "teacher",
                    "student",
                    "gan",
                    "classifier",
                    "inferior_epochs",
                    "score",
                    "inception",
                }
            ),
            "experiment": experiment,
            "name": name,
            "draw": draw,
            "setting": setting,
        }
        self.rows += cached_rows(
            self.cast.folder / f"07-{digest(self.cast.about | key, MODULES)}.json", compute
        )

    # the experiments

    def generators(self):
        """Table 4: real images, the well-trained GAN, the inferior one; and the earlier snapshots of both."""
        sets = [
            *dict.fromkeys(("train", self.real)),
            "gan",
            *class_only.set_names(self.p.inferior_epochs),
            *[str(e) for e in self.p.gan.snapshots if e < self.p.gan.epochs],
        ]
        for draw in self.p.seeds:
            for name in sets:
                self.scored(
                    "generators",
                    name,
                    draw,
                    {"samples": name},
                    lambda: self.samples(name, draw),
                    v1=True,
                )
        for version in ("v2", "v1"):  # of the real data, with the error of the reference
            found = self.score(self.data.x_train, self.p.seeds, version)
            for metric in ("value", "error", "reference", "baseline"):
                self.add(
                    "real", "test", getattr(found, metric), "train", {"version": version}, metric
                )

    def known_order(self):
        """Real images made worse step by step: which score sees it?"""
        for draw in self.p.seeds:
            for name, levels in self.p.levels.items():
                for level in levels:
                    self.scored(
                        "series",
                        self.real,
                        draw,
                        {"series": name, "level": level},
                        lambda: degraded.degrade(
                            name,
                            *self.samples(self.real, draw),
                            level,
                            random_stream(self.cast.device, name, level, draw),
                            self.samples("gan", draw),
                        ),
                    )

    def timing(self):
        """Seconds that each score takes for one set of samples, after a first run that warms up; teacher, reference and
        classifier are at hand. Inception-v3 (weights do not change its speed) sees p.timing_images, and time grows with images."""
        x, _ = self.samples("gan", 0)
        teacher = self.cast.teacher(self.p.teacher)[0]
        self.add(
            "timing",
            "none",
            seconds(lambda: self.score(x, [0], teacher=teacher)),
            metric="compression_score",
            setting={"students": self.p.score.students},
        )
        self.add(
            "timing",
            "none",
            seconds(lambda: other_scores.inception_score(self.classifier(x)[1])),
            metric="inception_score_classifier",
        )
        one = inception_seconds(self.p.timing_images, self.cast.device)
        self.add(
            "timing",
            "none",
            one * len(x),
            metric="inception_score",
            setting={"images": self.p.timing_images, "scaled_to": len(x)},
        )

    def tabular(self):
        """The sources of chapter 06: Compression Score of as many rows as the training data have, and the test score of
        the tree that the full compression set makes later."""
        plan, p = self.p.table, self.p
        data = forest_experiment.splits(plan, p.data_dir)
        gans = forest_experiment.train_gans(plan, data, self.out) if "gan" in plan.sources else []
        self.checksums[plan.name] = data[0].checksum
        for i, d in enumerate(data):
            key = {
                "plan": plan.model_dump(exclude={"seeds"}),
                "seed": plan.seeds[i],
                "data": d.checksum,
                "p": p.model_dump(include={"teacher_trees", "fake_per_real", "jitter_scales"}),
            }
            path = (
                self.cast.folder
                / f"07-table-{digest(key, (*forest_experiment.MODULES, *MODULES))}.json"
            )
            self.rows += cached_rows(path, lambda: self.one_table(plan, i, d, gans))

    def one_table(self, plan, i, d, gans):
        run = forest_experiment.Run(plan, self.p, i, d, gans, plan.max_features[0])
        rows, sets = [], {}
        for source in plan.sources:
            sets[source] = run.compression_set(source, sets)
            x, target, _ = sets[source]
            tree = forest_models.fit_student(x, target, seed=run.seed)
            found = compression_score(RealRows(x), d, run.teacher, seeds=self.p.score.students)
            for metric, value in {
                "compression_score": found.value,
                d.metric: run.score("test", tree.predict(d.x_test)),
            }.items():
                rows.append(
                    Row(
                        experiment="tabular",
                        dataset=plan.name,
                        teacher=run.name,
                        student="forest",
                        source=source,
                        setting={},
                        seed=run.seed,
                        split="test",
                        metric=metric,
                        value=value,
                    )
                )
        return rows

    # rows

    def row(self, experiment, part, value, source="none", setting=None, metric="score", seed=None):
        return Row(
            experiment=experiment,
            dataset=self.p.data.name,
            teacher=self.p.teacher.network,
            student=self.p.student.network,
            source=source,
            setting=setting or {},
            seed=seed,
            split=part,
            metric=metric,
            value=float(value),
        )

    def add(self, *about, **more):
        self.rows.append(self.row(*about, **more))


def inception_seconds(n, device, block=32):
    """Seconds per image that Inception-v3, whatever its weights, takes to see n images."""
    net, images = (
        inception_v3(weights=None, init_weights=False, aux_logits=False).eval().to(device),
        torch.rand(min(n, block), 3, 299, 299, device=device),
    )

    @torch.no_grad()
    def see():
        return sum(float(net(images[: n - i]).sum()) for i in range(0, n, block))

    return seconds(see) / n


def seconds(f):
    """Wall seconds of f(), which ends by handing over a number, after one run that warms up."""
    f()
    started = time.perf_counter()
    f()
    return time.perf_counter() - started
