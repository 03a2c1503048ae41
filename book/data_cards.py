"""The data cards of the book: facts and a picture of each dataset, from the data themselves.

    python book/data_cards.py

reads the data directory ($GANMC_DATA) and writes published/data_cards/: <name>.md, a table that the
page book/data.md includes, and <name>.png. What no file can tell (source, licence) stands
in SOURCES.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from ganmc_utils.core import paths
from ganmc_utils.forests.data import Table, read_table
from ganmc_utils.networks.data import READERS, WholeDataset
from ganmc_utils.report import text

OUT = paths.ROOT / "published" / "data_cards"
IMAGES_PER_CLASS = 2
N_FEATURES_DRAWN = 3
CLASS_COLOURS = ("#0072B2", "#D55E00")  # Okabe and Ito
CIFAR10_CLASSES = (  # in the order of their labels
    *("plane", "car", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


@dataclass(frozen=True)
class Source:
    """What the files do not tell.

    Attributes:
        title: what readers call the dataset.
        samples: who or what they are.
        origin: where they come from.
        licence: under which they may be used.
        hashed: what the sha256 is of.
    """

    title: str
    samples: str
    origin: str
    licence: str
    hashed: str = "the file"


SOURCES = {
    "digits": Source(
        "Digits",
        "handwritten digits in 17 levels of grey",
        "UCI, Optical Recognition of Handwritten Digits: its test part, as scikit-learn carries it",
        "CC BY 4.0",
        "all images, then all labels",
    ),
    "cifar10": Source(
        "CIFAR-10",
        "colour photographs of animals and vehicles",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "none stated; its author asks to be cited",
        "all images, then all labels",
    ),
    "breast_cancer": Source(
        "Breast cancer",
        "cell samples, by the nuclei in a picture of each; class 1 is benign",
        "UCI, Breast Cancer Wisconsin (Diagnostic), as scikit-learn carries it",
        "CC BY 4.0",
        "all features, then all labels",
    ),
    "magic": Source(
        "MAGIC",
        "simulated showers of particles as a telescope sees them; class 1 is gamma",
        "UCI, MAGIC Gamma Telescope",
        "CC BY 4.0",
    ),
    "higgs": Source(
        "Higgs",
        "simulated collisions of protons; class 1 has a Higgs boson",
        "UCI, HIGGS",
        "CC BY 4.0",
    ),
    "evergreen": Source(
        "Evergreen",
        "web pages; class 1 is of lasting interest",
        "Kaggle, StumbleUpon Evergreen Classification Challenge",
        "the rules of the competition",
    ),
}


def share_of_classes(y: np.ndarray) -> str:
    """How many samples each class has, such as "0: 6,688 (35.2%), 1: 12,332 (64.8%)"."""
    counts = np.bincount(y)
    fewest, most = counts.min(), counts.max()
    if fewest == most:
        return f"{len(counts)}, of {fewest:,} samples each"
    if len(counts) > 2:
        return f"{len(counts)}, of {fewest:,} to {most:,} samples"
    shares = [f"{c}: {n:,} ({n / len(y):.1%})" for c, n in enumerate(counts)]
    return ", ".join(shares)


def size_in_words(n_bytes: int) -> str:
    """Bytes in memory in a unit that fits."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e5 else f"{n_bytes / 1e3:.0f} kB"


def n_duplicates(x: np.ndarray) -> int:
    """How many samples are exact repetitions of an earlier one."""
    return len(x) - len({sample.tobytes() for sample in np.ascontiguousarray(x)})


def card(name: str, shape: str, x: np.ndarray, y: np.ndarray, checksum: str, note: str) -> str:
    """The card of a dataset: a table of two columns."""
    source = SOURCES[name]
    facts = {
        "Samples": f"{len(x):,} {source.samples}",
        "Features": shape,
        "Classes": share_of_classes(y),
        "Exact repetitions": f"{n_duplicates(x):,}",
        "In memory": f"{size_in_words(x.nbytes)}, {x.dtype}",
        "Source": source.origin,
        "Licence": source.licence,
        f"sha256 of {source.hashed}": f"`{checksum[:32]}` `{checksum[32:]}`",
        "Against the paper's": note,
    }
    rows = [{source.title: fact, " ": value} for fact, value in facts.items()]
    return text.markdown(pd.DataFrame(rows))


def card_of_images(name: str, whole: WholeDataset) -> str:
    """The card of a set of images."""
    shape = " x ".join(str(size) for size in whole.x.shape[1:])
    n_held = len(whole.x) - whole.n_training
    parts = f"{whole.n_training:,} images for training, {n_held:,} for validation and test"
    note = f"{parts}, as in the paper" if name == "cifar10" else f"{whole.note}; {parts}"
    return card(name, f"{shape} pixels", whole.x, whole.y, whole.checksum, note)


def card_of_table(table: Table) -> str:
    """The card of a table."""
    return card(table.name, f"{len(table.columns)}", table.x, table.y, table.checksum, table.note)


def first_of_each_class(whole: WholeDataset) -> np.ndarray:
    """The first images of each class: (IMAGES_PER_CLASS, K, C, H, W)."""
    classes = range(int(whole.y.max()) + 1)
    rows = [[np.flatnonzero(whole.y == c)[i] for c in classes] for i in range(IMAGES_PER_CLASS)]
    return whole.x[np.array(rows)]


def draw_images(rows: Sequence[np.ndarray], names: Sequence[str], path: Path) -> None:
    """A montage with a column for each class and a row of images for each entry of rows.

    Args:
        rows: images of one row each, uint8 (K, C, H, W).
        names: of the classes, above their columns.
        path: of the picture.
    """
    figure, axes = plt.subplots(
        len(rows), len(names), figsize=(8.4, 0.95 * len(rows)), layout="constrained"
    )
    for i, images in enumerate(rows):
        for k, name in enumerate(names):
            ax = axes[i, k]
            ax.imshow(images[k].transpose(1, 2, 0), cmap="gray_r")
            ax.set_axis_off()
            if i == 0:
                ax.set_title(name, fontsize=9)
    save(figure, path)


def averaged(images: np.ndarray, factor: int) -> np.ndarray:
    """Images averaged down by a whole factor, as chapters 00 to 05 see them: uint8."""
    small = F.avg_pool2d(torch.as_tensor(images).float(), factor)
    return small.round().to(torch.uint8).numpy()


def most_telling(table: Table) -> list[int]:
    """Columns whose class means lie farthest apart, in standard deviations; none with 0 and 1."""
    x = table.x.astype(np.float64)
    distance = np.abs(x[table.y == 1].mean(0) - x[table.y == 0].mean(0)) / x.std(0)
    is_yes_or_no = [len(np.unique(column)) == 2 for column in x.T]
    distance[is_yes_or_no] = 0
    return distance.argsort()[::-1][:N_FEATURES_DRAWN].tolist()


def draw_table(table: Table, path: Path) -> None:
    """The class balance, and histograms by class of the features that tell most."""
    columns = most_telling(table)
    figure, grid = plt.subplots(2, 2, figsize=(5.6, 4), layout="constrained")
    axes = grid.ravel()
    axes[0].bar(["class 0", "class 1"], np.bincount(table.y), color=CLASS_COLOURS)
    axes[0].set_title("samples", fontsize=10)
    for ax, column in zip(axes[1:], columns, strict=True):
        values = table.x[:, column]
        low, high = np.percentile(values, [0.5, 99.5])
        bins = np.linspace(low, high, 31)
        for label, colour in enumerate(CLASS_COLOURS):
            of_class = values[table.y == label]
            ax.hist(of_class, bins, density=True, color=colour, alpha=0.55)
        ax.set_title(table.columns[column], fontsize=10)
        ax.set_yticks([])
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=9)
    save(figure, path)


def save(figure: plt.Figure, path: Path) -> None:
    """Write a picture, the same bytes each time, and close it."""
    figure.savefig(path, dpi=160, metadata={"Software": None}, facecolor="white")
    plt.close(figure)


def main() -> None:
    """Write all cards and pictures."""
    OUT.mkdir(parents=True, exist_ok=True)
    folder = paths.data_dir("")

    digits = READERS["digits"](folder)
    paths.write_atomically(OUT / "digits.md", card_of_images("digits", digits) + "\n")
    draw_images(first_of_each_class(digits), [str(k) for k in range(10)], OUT / "digits.png")

    cifar10 = READERS["cifar10"](folder)
    paths.write_atomically(OUT / "cifar10.md", card_of_images("cifar10", cifar10) + "\n")
    images = first_of_each_class(cifar10)
    rows = [row for pair in images for row in (pair, averaged(pair, 2))]
    draw_images(rows, CIFAR10_CLASSES, OUT / "cifar10.png")

    for name in ("breast_cancer", "magic", "higgs", "evergreen"):
        table = read_table(name)
        paths.write_atomically(OUT / f"{name}.md", card_of_table(table) + "\n")
        draw_table(table, OUT / f"{name}.png")


if __name__ == "__main__":
    main()
