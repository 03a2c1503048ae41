"""Compress a large model into a small one with samples that it has labelled, a GAN's above all.

A teacher, a source of samples, the samples with the teacher's predictions, a student of them, its
score: each part of the paper has these rooms in its folder, under the same names.

  core      what every part needs: parameters, the store of results, records, plans
  gan       the AC-GAN, for tables and for images
  forests   Sec. 4, chapter 06: data, models, sources, experiment, claims, tables
  networks  Sec. 3, chapters 00 to 05: the same rooms, and batches, objectives, training
  scores    Sec. 5, chapter 07: the Compression Score, and the scores it is compared with
  compress  chapter 09: a table and a teacher of your own in, a small model file out
  report    from records to pages: the paper's numbers, statistics, plots, the scoreboard

What the book and a reader's own work use can be imported from here (from ganmc_utils import AcGan)
and is loaded when it is first asked for:

What is learned from

  read_table
      The Table called name.
  split_table
      A Dataset of disjoint random parts.
  Table
      A whole dataset, not standardized.
  Dataset
      One split of a Table.
  load_images
      Images of one random split.
  ImageDataset
      One split of a dataset, all of it on one device.

Sources of compression data, for tables and then for images

  Source
      Anything that draws fresh feature vectors: a GAN, jitter, SMOTE, MUNGE, the training rows.
  RealRows
      Real rows without replacement: the training set itself (`train`) or held-back rows (`fresh`).
  RowJitter
      Training rows plus N(0, scale^2) on each standardized feature: a Gaussian kernel density.
  Smote
      SMOTE: points on the line between a row and a neighbour of its class (by imbalanced-learn).
  Munge
      MUNGE (Bucila et al., 2006): each row e and its nearest row e' trade attributes.
  MungeAuthors
      MUNGE as the paper's authors coded it: each trade changes what the next search sees.
  PooledGan
      The generators of one seed of a trained AcGan, pooled over members and snapshot epochs.
  FlipsCrops
      Left-right flips and shifts by up to an eighth of the image: see flip_crop.
  PixelJitter
      Gaussian noise of `scale` times the standard deviation of each pixel over the images.
  Mixup
      Mixtures lam x + (1 - lam) x' of two images, lam uniform in [0, 1]; the class is that of x.
  GeneratedImages
      Images of the generator of a trained AC-GAN as it was after an epoch.

The GAN

  AcGan
      R = seeds x members AC-GANs, trained in one loop.
  GanSettings
      The paper's values (Sec. 4) where it states them; the rest are choices on validation.
  image_networks
      The `networks` argument of AcGan for images: a function that builds (G, D) of a width.

Teachers and students: forests

  fit_teacher
      The teacher: a classification forest of rows x (n, d) and classes y (n,).
  probability_of_class_1
      The teacher's probability of class 1 for each row: x (n, d) -> p (n,).
  fit_student
      The student: a regression forest of rows x (n, d) and targets p (n,).
  count_nodes
      Nodes of all trees, inner ones and leaves.

Teachers and students: networks

  make_network
      The network called name, with initial weights drawn from seed; width None is its own default.
  logit_matching
      Eq. 1: ||g - z||^2 = sum_j (g_j - z_j)^2 over the classes; mean over the batch.
  Distillation
      Annealed cross-entropy with the teacher, and cross-entropy with the class c.
  Student
      One student: who teaches it, what it minimizes and which images it sees.
  TrainedModels
      Teachers, the GAN and students of a chapter's parameters.

Scores of generators

  compression_score
      Score samples against the real data of `dataset`.
  Score
      The Compression Score of a set of samples D, and what it is made of.
  inception_score
      exp(mean over x of KL(p(c|x) || p(c))) from logits (n, K), p(c) the mean of p(c|x).
  fid
      Fréchet inception distance |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)) (Heusel et al., 2017).
  kid
      Squared maximum mean discrepancy with the kernel (x'y / d + 1)^3 (Binkowski et al., 2018).
  intra_fid
      Mean over the classes of the FID within a class (Miyato and Koyama, 2018).
  classification_accuracy
      Classification Accuracy Score (Ravuri and Vinyals, 2019).

A model of your own

  ClassifierCompressor
      Compress a classifier into a small student that learns the teacher's probabilities.
  RegressorCompressor
      Compress a regressor into a small student that learns the teacher's values.
  compress_network
      Compress a network of images into a small one that learns its logits.

Runs

  NotebookRun
      One run of a notebook: it collects rows and ends by saving them as a record.
  Store
      Results of one run's folder, and those that are published.
  planned
      The names that a notebook's plan cell defines, under its defaults and these parameters.
  GanmcError
      A mistake the reader can mend: what is wrong, where, and the cure, in one line.
"""

from importlib import import_module

# The module that defines each public name. Modules of this package import each other directly.
_HOMES = {
    "read_table": "forests.data",
    "split_table": "forests.data",
    "Table": "forests.data",
    "Dataset": "forests.data",
    "load_images": "networks.data",
    "ImageDataset": "networks.data",
    "Source": "core.source",
    "RealRows": "forests.sources",
    "RowJitter": "forests.sources",
    "Smote": "forests.sources",
    "Munge": "forests.sources",
    "MungeAuthors": "forests.sources",
    "PooledGan": "forests.sources",
    "FlipsCrops": "networks.sources",
    "PixelJitter": "networks.sources",
    "Mixup": "networks.sources",
    "GeneratedImages": "networks.sources",
    "AcGan": "gan.acgan",
    "GanSettings": "gan.acgan",
    "image_networks": "gan.image_networks",
    "fit_teacher": "forests.models",
    "probability_of_class_1": "forests.models",
    "fit_student": "forests.models",
    "count_nodes": "forests.models",
    "make_network": "networks.models",
    "logit_matching": "networks.objectives",
    "Distillation": "networks.objectives",
    "Student": "networks.experiment",
    "TrainedModels": "networks.trained",
    "compression_score": "scores.compression_score",
    "Score": "scores.compression_score",
    "inception_score": "scores.other_scores",
    "fid": "scores.other_scores",
    "kid": "scores.other_scores",
    "intra_fid": "scores.other_scores",
    "classification_accuracy": "scores.other_scores",
    "ClassifierCompressor": "compress.estimators",
    "RegressorCompressor": "compress.estimators",
    "compress_network": "compress.network",
    "NotebookRun": "core.notebook_run",
    "Store": "core.store",
    "planned": "core.plan",
    "GanmcError": "core.errors",
}

__all__ = list(_HOMES)


def __getattr__(name: str):
    """Load a public name from its module: `import ganmc_utils` alone imports no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """The public names, for completion and for help, beside what a module has anyway."""
    return sorted({*globals(), *_HOMES})
