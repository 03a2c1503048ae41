"""Figures draw the mean and the standard error of the records, in one style per source."""

import base64
import re
from itertools import combinations
from typing import get_args

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from ganmc_utils.core.records import SourceId
from ganmc_utils.report import plots, scoreboard_plots
from ganmc_utils.report.claim import Claim, Judgement, text_on
from ganmc_utils.report.statistics import Interval
from ganmc_utils.scores import plots as score_plots

VALUES = pd.DataFrame({0.0: [0.5, 0.6, 0.7], 0.5: [0.7, 0.7, 0.7], 1.0: [0.4, 0.5, 0.9]})


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def band_of(ax):
    """(x, low, high) of the only band of the axes."""
    (band,) = ax.collections
    (path,) = band.get_paths()
    bounds = pd.DataFrame(path.vertices).groupby(0)[1].agg(["min", "max"])
    return bounds.index.to_numpy(), bounds["min"].to_numpy(), bounds["max"].to_numpy()


def check_mean_and_error(ax, values):
    (line,) = [line for line in ax.lines if len(line.get_xdata())]
    x, low, high = band_of(ax)
    mean = values.mean().to_numpy()
    error = values.std(ddof=1).to_numpy() / np.sqrt(len(values))
    assert np.allclose(line.get_xdata(), values.columns) and np.allclose(line.get_ydata(), mean)
    assert np.allclose(x, values.columns)
    assert np.allclose(low, mean - error) and np.allclose(high, mean + error)
    return line


def test_a_band_is_the_mean_and_one_standard_error(ax):
    plots.band(ax, VALUES, "gan")
    line = check_mean_and_error(ax, VALUES)
    assert line.get_color() == plots.colour("gan")
    assert ax.get_legend_handles_labels()[1] == ["GAN"]


def test_a_score_is_drawn_as_a_share_of_its_base(ax):
    score_plots.draw_share(ax, "cas", VALUES, 0.5)
    check_mean_and_error(ax, VALUES / 0.7)


def test_curves_have_one_line_a_source_in_the_order_of_the_style(ax):
    rows = pd.concat(
        [
            VALUES.melt(var_name="trees").assign(source=source)
            for source in ("jitter", "student_only", "gan")
        ]
    )
    plots.curves_by_source(ax, rows)
    labels = ["Student only", "GAN", "Jitter"]
    assert ax.get_legend_handles_labels()[1] == labels


def test_one_seed_is_drawn_without_a_band(ax):
    plots.band(ax, VALUES[:1], "train")
    plots.level(ax, VALUES[0.0][:1], "gan")
    assert np.allclose(ax.lines[0].get_ydata(), VALUES.iloc[0])
    assert not ax.patches


def test_the_grid_shows_every_tau(ax):
    grid = pd.DataFrame(
        {"FID": [0.2, -1.0], "KID": [1.0, 0.0]}, index=["Blur (pixels)", "Share of labels"]
    )
    score_plots.draw_grid(ax, grid)
    assert [number.get_text() for number in ax.texts] == ["+0.20", "-1.00", "+1.00", "+0.00"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["FID", "KID"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [
        "Blur\n(pixels)",
        "Share\nof\nlabels",
    ]


def test_drawing_leaves_the_global_style_alone(ax):
    before = dict(mpl.rcParams)
    plots.band(ax, VALUES, "gan")
    score_plots.draw_share(ax, "cas", VALUES, 0.5)
    assert dict(mpl.rcParams) == before


def test_every_source_of_the_records_has_a_label_and_a_colour_of_its_own():
    assert set(get_args(SourceId)) - {"none"} <= set(plots.STYLE)
    labels = [label for label, _ in plots.STYLE.values()]
    colours = [colour for _, colour in plots.STYLE.values()]
    assert len(set(labels)) == len(set(colours)) == len(plots.STYLE)
    assert plots.label("flips") == "Flips + crops"


def test_panels_share_a_legend_and_are_files_of_their_own(tmp_path):
    def draw(sources):
        return lambda ax: [plots.band(ax, VALUES, source) for source in sources]

    panels = {"one": draw(["gan", "train"]), "<two>": draw(["train", "jitter"])}
    words = {"number": "6.1", "caption": "AUC < 1.", "alt": "Curves"}
    shown = plots.show_panels(panels, tmp_path, "06_curves", **words).data
    assert "<strong>Figure 6.1.</strong> AUC &lt; 1.</figcaption>" in shown
    assert 'alt="Curves: one"' in shown and 'alt="Curves: &lt;two&gt;"' in shown
    assert re.findall(r"</span>([^<]+)</span>", shown) == ["GAN", "Training data", "Jitter"]
    files = sorted((tmp_path / "figures").iterdir())
    assert [file.stem for file in files] == ["06_curves_1", "06_curves_2"]
    for file in files:
        assert base64.b64encode(file.read_bytes()).decode() in shown
    assert shown == plots.show_panels(panels, tmp_path, "06_curves", **words).data


def test_a_picture_that_changes_its_kind_leaves_no_other_behind(tmp_path, ax):
    (tmp_path / "name.png").write_bytes(b"older")
    content, suffix = plots.write_smaller(ax.figure, tmp_path / "name")
    assert suffix == ".svg" and [file.name for file in tmp_path.iterdir()] == ["name.svg"]
    assert (tmp_path / "name.svg").read_bytes() == content


def test_a_figure_without_panels_says_so(tmp_path):
    shown = plots.show_panels({}, tmp_path, "06_curves", "6.1", "", "")
    assert shown.data == "Not part of this profile."


def judgement(words, dataset, interval, verdict="confirmed", paper=""):
    claim = Claim("id", "Sec. 4", words, (dataset,), None, "06", paper=text_on(paper, (dataset,)))
    return Judgement(claim, dataset, interval, verdict, fold=None)


def test_a_verdict_is_drawn_with_its_interval_beside_the_papers_value(ax):
    judgements = [
        judgement("A beats B (within 1)", "magic", Interval(0.1, 0.05, 0.15, 3), paper="+0.120"),
        judgement("A beats B (within 1)", "higgs", Interval(-0.1, -0.2, 0.0, 3), "inconclusive"),
        judgement("C rises", "magic", Interval(0.9, 0.8, 1.0, 3)),
    ]
    scoreboard_plots.draw_verdicts(ax, judgements)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["MAGIC", "higgs", "MAGIC"]
    drawn = [list(line.get_xdata()) for line in ax.lines]
    assert [0.05, 0.15] in drawn and [0.1] in drawn and [0.12] in drawn and [-0.2, 0.0] in drawn
    words = [text.get_text() for text in ax.texts]
    assert words == ["A beats B", "C rises", "+0.900 [+0.800, +1.000]"]
    names = ["confirmed", "inconclusive", "refuted", "the paper's value"]
    assert ax.get_legend_handles_labels()[1] == names


# Machado, Oliveira and Fernandes (2009), severity 1: how the colour-blind see linear RGB.
SIGHT = {
    "full": np.eye(3),
    "protan": np.array(
        [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    ),
    "deutan": np.array(
        [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour, sight):
    """CIELAB of a colour as seen."""
    rgb = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(SIGHT[sight] @ linear, 0, 1) / TO_XYZ.sum(axis=1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_sources_of_like_colours_have_markers_of_their_own(sight):
    alike = [
        (a, b)
        for a, b in combinations(plots.STYLE, 2)
        if np.linalg.norm(lab(plots.colour(a), sight) - lab(plots.colour(b), sight)) < 20
    ]
    assert not [(a, b) for a, b in alike if plots.marker(a) == plots.marker(b)]
