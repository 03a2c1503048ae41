"""The tables of chapter 06, made from its record and written as Markdown beside the figures."""

import numpy as np
import pandas as pd
from IPython.display import Markdown

from ganmc_utils.core import paths
from ganmc_utils.report import plots, statistics
from ganmc_utils.report.paper import paper_score

RIVALS = (
    "gan",
    "jitter",
    "smote",
    "munge",
    "munge_authors",
)  # sources that make rows (fresh ones are collected)


def show_table(frame, out, name):
    """Write a table to out/tables/<name>.md and show it; a table without rows says so."""
    text = (
        "Not part of this profile."
        if frame.empty
        else frame.to_markdown(index=False, disable_numparse=True)
    )
    paths.write_atomically(out / "tables" / f"{name}.md", text + "\n")
    return Markdown(text)


def mean_and_error(values, digits=3):
    mean, se, n = statistics.mean_se(values)
    return f"{mean:.{digits}f} ± {se:.{digits}f}" if n > 1 else f"{mean:.{digits}f}"


def difference_and_interval(interval):
    return (
        f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
        if interval.n > 1
        else f"{interval.mean:+.3f}"
    )


def table_of(rows):
    return pd.DataFrame(rows).fillna("")


def teacher_of(plan, max_features=None):
    return f"forest_{max_features or plan.max_features[0]}"


def values(frame, plan, experiment, part="test", teacher=None, **more):
    """The rows of one experiment on one dataset and teacher (the plan's first by default); more: column = value."""
    here = frame[
        (frame.dataset == plan.name)
        & (frame.experiment == experiment)
        & (frame.split == part)
        & (frame.teacher == (teacher or teacher_of(plan)))
    ]
    for column, value in more.items():
        here = here[here[column] == value]
    return here


def one_tree(frame, plan, max_features=None, part="test"):
    """Scores of single-tree students: one column per source, one row per seed."""
    here = values(frame, plan, "compression", part, teacher_of(plan, max_features), trees=1)
    return here.pivot(index="seed", columns="source", values="value")


def table3(frame, p):
    """Table 3: one row per dataset and teacher, one column per source, the paper's value in brackets."""
    rows = []
    for plan in p.datasets:
        for max_features in plan.max_features:
            by = one_tree(frame, plan, max_features)
            found = {
                "teacher": values(
                    frame, plan, "teacher", teacher=teacher_of(plan, max_features)
                ).value
            }
            found |= {s: by[s].dropna() for s in plots.STYLE if s in by}
            rows.append(
                {"Dataset": plan.name, "Features per split": max_features, "Seeds": len(by)}
                | {
                    plots.label(s): mean_and_error(v)
                    + (f" ({paper_score(plan.name, s):.3f})" if paper_score(plan.name, s) else "")
                    for s, v in found.items()
                }
            )
    return table_of(rows)


def against(frame, p, base):
    """Paired difference over seeds of every source from base, single trees, first teacher."""
    rows = []
    for plan in [plan for plan in p.datasets if base in plan.sources]:
        by = one_tree(frame, plan)
        rows.append(
            {"Dataset": plan.name}
            | {
                plots.label(s): difference_and_interval(statistics.paired_interval(by[s], by[base]))
                for s in plots.STYLE
                if s in by and s != base
            }
        )
    return table_of(rows)


def best_source(frame, p):
    """The source that makes the best single tree on validation, on the test part against training data and GAN."""
    rows = []
    for plan in p.datasets:
        validation, test = one_tree(frame, plan, part="validation"), one_tree(frame, plan)
        made = [s for s in RIVALS + ("train+gan",) if s in test]
        best = validation[made].mean().idxmax() if made else "train"
        rows.append(
            {
                "Dataset": plan.name,
                "Best source": plots.label(best),
                "Test score": mean_and_error(test[best]),
                "Above training data": difference_and_interval(
                    statistics.paired_interval(test[best], test["train"])
                ),
            }
            | (
                {
                    "Above GAN": difference_and_interval(
                        statistics.paired_interval(test[best], test["gan"])
                    )
                }
                if "gan" in test and best != "gan"
                else {}
            )
        )
    return table_of(rows)


def single_gan(frame, p):
    """The paper's generator (one AC-GAN, Eq. 2a) beside the pool that validation chose: single trees on test."""
    rows = []
    for plan in p.datasets:
        single = values(frame, plan, "single_gan").set_index("seed").value
        if len(single):
            chosen, train = one_tree(frame, plan)["gan"], one_tree(frame, plan)["train"]
            rows.append(
                {
                    "Dataset": plan.name,
                    "One AC-GAN": mean_and_error(single),
                    "Pool": mean_and_error(chosen),
                    "Pool - one": difference_and_interval(
                        statistics.paired_interval(chosen, single)
                    ),
                    "One - training data": difference_and_interval(
                        statistics.paired_interval(single, train)
                    ),
                }
            )
    return table_of(rows)


def preparation(frame, p):
    """What the authors' preparation changes: paired differences from the clean one, the same deal of rows."""
    rows = []
    for plan in [plan for plan in p.datasets if plan.preparation == "authors"]:
        clean = next(c for c in p.datasets if c.table == plan.table and c.preparation == "clean")
        a, b = one_tree(frame, plan), one_tree(frame, clean)
        teachers = [
            values(frame, c, "teacher").sort_values("seed").value.to_numpy() for c in (plan, clean)
        ]
        rows.append(
            {
                "Dataset": clean.name,
                "Teacher": difference_and_interval(statistics.paired_interval(*teachers)),
            }
            | {
                plots.label(s): difference_and_interval(statistics.paired_interval(a[s], b[s]))
                for s in plots.STYLE
                if s in a and s in b
            }
        )
    return table_of(rows)


def small_students(frame, p):
    """The smallest students within a loss: how many times fewer nodes and bytes and more rows per second."""
    rows = []
    for plan in [plan for plan in p.datasets if plan.leaf_caps]:
        for experiment, name in (
            ("headline", "best on validation: "),
            ("headline_tree", "the same, one tree: "),
            ("headline_gan", ""),
        ):
            for limit in (0.005, 0.012):
                here = frame[
                    (frame.dataset == plan.name)
                    & (frame.experiment == experiment)
                    & (frame.limit == limit)
                ]
                found = {m: here[here.metric == m].value for m in here.metric.unique()}
                if len(here):
                    rows.append(
                        {
                            "Dataset": plan.name,
                            "Limit": limit,
                            "Test loss": mean_and_error(found["loss"]),
                            "Source": name
                            + ", ".join(sorted({plots.label(s) for s in here.source})),
                        }
                        | {
                            words: f"{np.median(found[m]):,.0f}"
                            for m, words in (
                                ("fewer_nodes", "Times fewer nodes"),
                                ("fewer_bytes", "Times fewer bytes"),
                                ("speedup", "Times faster"),
                                ("speedup_batch_1", "Times faster, one row"),
                            )
                        }
                    )
    return table_of(rows)


def costs(frame, p):
    """Size and speed of the teacher and of the small students, nodes of single full-grown trees (medians over seeds)."""
    rows = []
    for plan in p.datasets:
        here = frame[(frame.dataset == plan.name) & (frame.split == "none")]
        models = {"Teacher": here[(here.experiment == "cost") & (here.source == "none")]}
        for s in ("student_only", "train", "gan"):
            models[f"One tree: {plots.label(s)}"] = here[
                (here.experiment == "cost") & (here.source == s)
            ]
        for experiment, name in (("headline", "best source"), ("headline_gan", "GAN")):
            models[f"Small student, {name}"] = here[
                (here.experiment == experiment) & (here.get("limit") == 0.012)
            ]
        for name, model in models.items():
            if len(model):
                m = model.groupby("metric").value.median()
                rows.append(
                    {"Dataset": plan.name, "Model": name, "Nodes": f"{m.nodes:,.0f}"}
                    | (
                        {
                            "MB": f"{m.bytes / 1e6:,.3g}",
                            "Rows/s": f"{m.rows_per_second:,.0f}",
                            "One row, ms": f"{1000 / m.rows_per_second_batch_1:,.2g}",
                        }
                        if "bytes" in m
                        else {}
                    )
                )
    return table_of(rows)
