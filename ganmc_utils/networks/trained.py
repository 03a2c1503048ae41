"""The cast of Sec. 3: images, teachers, the AC-GAN, and students trained together on the batches they share.

All of it is made once and kept under the run's checkpoints by what it was made from, so that a chapter run alone makes
what it needs and a chapter run after another finds it."""

import json
from dataclasses import asdict, dataclass

import torch
from tqdm.auto import tqdm

from ganmc_utils.core import checkpoints, rounding
from ganmc_utils.core.errors import GanmcError
from ganmc_utils.core.parameters import Network
from ganmc_utils.core.paths import write_atomically
from ganmc_utils.core.records import digest, stored
from ganmc_utils.gan import image_networks
from ganmc_utils.gan.acgan import AcGan, GanSettings
from ganmc_utils.networks import data, models, sources, training
from ganmc_utils.networks.batches import EpochBatches, Mixture, TeacherLabelledStream
from ganmc_utils.networks.objectives import Distillation, logit_matching, supervised

MODULES = (
    "images",
    "networks",
    "objectives",
    "checkpoints",
    "graphs",
    "acgan",
    "image_gan",
    "image_sources",
    "mixing",
    "training",
    "cast",
)
EVALUATIONS = 10  # of a network over its training
COLLAPSED = 0.3  # spread of the GAN's images within a class, as a share of the real ones', below which we warn
CHANGED = {"flips": sources.FlipsCrops, "mixup": sources.Mixup, "jitter": sources.PixelJitter}


@dataclass(frozen=True)
class Run:
    """One student: who teaches it, what it minimizes, and the rows it sees.

    source: train, gan, train+gan, flips, jitter, mixup or fresh; p_fake is the share of rows that are not the training
    data's (0 for train, 1 for all but the mixture). objective: l2, kd or supervised (which has no teacher)."""

    teacher: Network
    student: Network
    source: str
    seed: int
    p_fake: float = 1.0
    objective: str = "l2"
    T: float | None = None
    alpha: float | None = None
    gan_epoch: int | None = None
    jitter_scale: float | None = None
    epochs: int | None = None  # None: the student's own

    @property
    def setting(self):
        given = {
            "objective": self.objective,
            "p_fake": self.p_fake,
            "gan_epoch": self.gan_epoch,
            "flips": int(self.student.augment != "none"),
            "T": self.T,
            "alpha": self.alpha,
            "jitter_scale": self.jitter_scale,
        }
        return {k: v for k, v in given.items() if v is not None}

    @property
    def name(self):
        """The source as records call it: the training rows with their labels are no compression."""
        return (
            "student_only" if self.objective == "supervised" and self.p_fake == 0 else self.source
        )


def named(network):
    """How records call a network: by its augmentation too, where it has one."""
    return network.network + ("" if network.augment == "none" else f"+{network.augment}")


class Cast:
    def __init__(self, p, out):
        self.p, self.folder = p, out / "checkpoints"
        self.device = data.choose_device(p.device)
        plan = p.data.model_dump()
        self.data = data.load_images(**plan, data_dir=p.data_dir, device=self.device)
        self.about = {
            "data": plan,
            "checksum": self.data.checksum,
            "device": self.device.type,
            "compile": p.compile,
        }
        self.teachers, self.made_gan, self.chosen = {}, None, None

    def path(self, kind, key, ending):
        return self.folder / f"{kind}-{digest(self.about | key, MODULES)}.{ending}"

    def schedule(self, plan, epochs=None):
        if plan.batch > self.p.data.n_train:
            raise GanmcError(
                f"{plan.network}: batch {plan.batch} is larger than the {self.p.data.n_train} training images; lower the batch"
            )
        steps = (epochs or plan.epochs) * (self.p.data.n_train // plan.batch)
        return training.Schedule(
            steps, plan.lr, plan.optimizer, plan.decay, plan.weight_decay, EVALUATIONS
        )

    def network(self, plan, seed):
        channels, size = self.data.shape
        net = models.make_network(
            plan.network, seed, plan.width, channels, size, self.data.n_classes
        )
        return net.to(self.device, memory_format=torch.channels_last)

    def parts(self, *names):
        """{"test": (x, y), ...}"""
        return {s: (getattr(self.data, f"x_{s}"), getattr(self.data, f"y_{s}")) for s in names}

    def teacher(self, plan):
        """(network, history), trained on the labels of the training part."""
        if plan not in self.teachers:
            self.teachers[plan] = self.classifier(
                "teacher",
                plan,
                self.data.x_train,
                self.data.y_train,
                0,
                self.parts("train", "validation", "test"),
            )
        return self.teachers[plan]

    def classifier(self, kind, plan, x, y, seed, parts):
        """(network, history) trained on images x and labels y, evaluated on parts. What is kept and used has its weights
        rounded to float16, so that it is the same whether it was made now or read from its small file."""
        path = self.path(f"{kind}-{named(plan)}", {kind: plan.model_dump()}, "safetensors")
        net = self.network(plan, seed)
        if (found := checkpoints.load(path, path.stem, self.device)) is None:
            learner = training.Learner(
                f"{kind} {named(plan)}",
                net,
                supervised,
                EpochBatches(x, y, plan.batch, augment=plan.augment),
                seed,
                compile=self.p.compile,
            )
            training.train(
                [learner],
                self.schedule(plan),
                parts,
                path.with_suffix(".working"),
                path.stem,
                learner.name,
            )
            net.load_state_dict(rounding.to_float32(rounding.to_float16(net.state_dict())))
            learner.history[-1] |= {
                part: training.accuracy(net, *data) for part, data in parts.items()
            }
            checkpoints.save(
                path, path.stem, {"net": rounding.to_float16(net.state_dict())}, learner.history
            )
            path.with_suffix(".working").unlink()
            history = learner.history
        else:
            tree, history = found
            net.load_state_dict(rounding.to_float32(tree["net"]))
        return net.eval().requires_grad_(False), history

    def gan(self):
        """The AC-GAN, trained on the training part."""
        if self.made_gan is None:
            g, d = self.p.gan, self.data
            settings = GanSettings(
                epochs=g.epochs, snapshots=tuple(g.snapshots), members=1, batch=g.batch, lr=g.lr
            )
            path = self.path(
                "image-gan", {"gan": g.model_dump(exclude={"choice_epochs"})}, "safetensors"
            )
            self.made_gan = AcGan(
                d.x_train[None],
                d.y_train[None],
                settings,
                [0],
                image_networks.image_networks(g.width),
            ).train(path)
            for epoch in g.snapshots:
                if (spread := self.spread(epoch)) < COLLAPSED:
                    tqdm.write(
                        f"AC-GAN after epoch {epoch}: its images of a class spread {spread:.2f} of the real ones: collapse"
                    )
        return self.made_gan

    def spread(self, epoch, n=1000):
        """Mean standard deviation of a pixel within a class, of the GAN's images over the training images."""

        def within(x, y):
            return float(
                torch.stack(
                    [x[y == c].std(0).mean() for c in y.unique() if (y == c).sum() > 1]
                ).mean()
            )

        x, c = sources.GeneratedImages(self.gan(), epoch).sample(
            n, torch.Generator(self.device).manual_seed(0)
        )
        return within(x, c) / within(self.data.x_train, self.data.y_train)

    def pictures(self, epoch=None, per_class=2):
        """Images for people, (per_class * K, H, W, C) in [0, 1], the classes in a row: the GAN's after an epoch, from the
        same noise at every epoch; None: training images."""
        return self.pictures_of(
            None if epoch is None else sources.GeneratedImages(self.gan(), epoch), per_class
        )

    def pictures_of(self, made, per_class=2):
        """The same of any image_sources.Generated."""
        classes = torch.arange(self.data.n_classes, device=self.device).repeat(per_class)
        if made is None:
            x = torch.stack(
                [
                    self.data.x_train[self.data.y_train == c][i // self.data.n_classes]
                    for i, c in enumerate(classes)
                ]
            )
        else:
            x = made.of_classes(classes, torch.Generator(self.device).manual_seed(0))
        return (x.permute(0, 2, 3, 1).cpu().numpy() + 1) / 2

    def gan_epoch(self):
        """(epoch, {epoch: validation accuracy}): the snapshot whose images alone train the best short student."""
        if self.chosen is None:
            runs = [
                Run(
                    self.p.teacher,
                    self.p.student,
                    "gan",
                    seed=0,
                    gan_epoch=e,
                    epochs=self.p.gan.choice_epochs,
                )
                for e in self.p.gan.snapshots
            ]
            score = {
                r.gan_epoch: h[-1]["validation"]
                for r, h in zip(runs, self.students(runs, "short students that choose the GAN"))
            }
            self.chosen = max(score, key=score.get), score
        return self.chosen

    def students(self, runs, label):
        """The history of each run, from its file or trained now; those with the same teacher and schedule train together."""
        files = {r: self.path("student", {"run": self.key(r)}, "json") for r in runs}
        missing = [r for r in files if stored(files[r]) is None]
        groups = {}
        for r in missing:
            groups.setdefault(
                (r.teacher, self.schedule(r.student, r.epochs), r.student.batch), []
            ).append(r)
        for (teacher, schedule, _), group in groups.items():
            learners = self.learners(teacher, group)
            path = self.path("students", {"runs": [self.key(r) for r in group]}, "working")
            training.train(
                learners,
                schedule,
                self.parts("validation", "test"),
                path,
                path.stem,
                f"{label} ({len(group)})",
            )
            for r, learner in zip(group, learners):
                write_atomically(files[r], json.dumps(learner.history))
            path.unlink()
        return [stored(files[r]) for r in runs]

    def key(self, run):
        """What a student's result depends on."""
        used = (
            {"gan": self.p.gan.model_dump(exclude={"choice_epochs", "snapshots", "epochs"})}
            if "gan" in run.source and run.p_fake
            else {}
        )
        return (
            asdict(run)
            | {"teacher": run.teacher.model_dump(), "student": run.student.model_dump()}
            | used
        )

    def learners(self, plan, runs):
        """The learners of runs that share a teacher, with one stream of each source for all."""
        ask, real, made, found = None, {}, {}, []
        if any(r.objective != "supervised" for r in runs):
            teacher = self.teacher(plan)[0]
            ask = lambda x: training.logits(teacher, x)
        for r in runs:
            batch, augment = r.student.batch, r.student.augment
            own, other = (
                (batch, augment),
                (r.source.removeprefix("train+"), batch, r.gan_epoch, r.jitter_scale),
            )
            if own not in real:
                real[own] = self.training_rows(batch, augment, ask)
            if r.p_fake and other not in made:
                made[other] = self.other_rows(*other, ask)
            found.append(
                training.Learner(
                    f"{named(r.student)} on {r.name}, p_fake {r.p_fake}, seed {r.seed}",
                    self.network(r.student, r.seed),
                    self.objective(r),
                    Mixture(real[own], made.get(other), r.p_fake),
                    r.seed,
                    compile=self.p.compile,
                )
            )
        return found

    def training_rows(self, batch, augment, ask):
        x, y = self.data.x_train, self.data.y_train
        return EpochBatches(
            x, y, batch, ask and ask(x), augment, ask and augment == "flips" and ask(x.flip(3))
        )

    def other_rows(self, source, batch, gan_epoch, jitter_scale, ask):
        """The stream of rows that are not the training data, labelled by ask as they come."""
        d = self.data
        if source == "fresh":
            return EpochBatches(d.x_fresh, d.y_fresh, batch, ask and ask(d.x_fresh), name="fresh")
        if source == "gan":
            found = sources.GeneratedImages(self.gan(), gan_epoch)
        else:
            found = CHANGED[source](
                d.x_train, d.y_train, *([jitter_scale] if source == "jitter" else [])
            )
        return TeacherLabelledStream(found, batch, ask, self.device, source)

    @staticmethod
    def objective(run):
        if run.objective == "kd":
            return Distillation(run.T, run.alpha)
        return {"l2": logit_matching, "supervised": supervised}[run.objective]
