"""The tables of chapter 06, made from its record and written as Markdown beside the figures."""
import numpy as np
import pandas as pd
from IPython.display import Markdown

from . import paths, plots, scores


def show(frame, out, name):
    """Write a table to out/tables/<name>.md and show it."""
    text = frame.to_markdown(index=False)
    paths.write_atomically(out / "tables" / f"{name}.md", text + "\n")
    return Markdown(text)


def one_tree(frame, plan, max_features):
    """Test scores of single-tree students of one dataset and teacher: one column per source, one row per seed."""
    here = frame[(frame.dataset == plan.name) & (frame.split == "test") & (frame.experiment == "compression") &
                 (frame.teacher == f"forest_{max_features}") & (frame.trees == 1)]
    return here.pivot(index="seed", columns="source", values="value")


def spell(values, digits=3):
    mean, se, n = scores.mean_se(values)
    return f"{mean:.{digits}f} ± {se:.{digits}f}" if n > 1 else f"{mean:.{digits}f}"


def spell_interval(interval):
    return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def table3(frame, p):
    """One row per dataset and teacher, one column per source."""
    rows = []
    for plan in p.datasets:
        for max_features in plan.max_features:
            by = one_tree(frame, plan, max_features)
            teacher = frame[(frame.dataset == plan.name) & (frame.experiment == "teacher") & (frame.split == "test") &
                            (frame.teacher == f"forest_{max_features}")].value
            row = {"Dataset": plan.name, "Features per split": max_features, "Seeds": len(by), "Teacher": spell(teacher)}
            rows.append(row | {plots.label(s): spell(by[s].dropna()) for s in plots.STYLE if s in by})
    return to_frame(rows)


def to_frame(rows):
    return pd.DataFrame(rows).fillna("")


def against(frame, p, base):
    """Paired difference over seeds of every source from base, single trees, first teacher."""
    rows = []
    for plan in p.datasets:
        by = one_tree(frame, plan, plan.max_features[0])
        others = [s for s in plots.STYLE if s in by and s != base]
        rows.append({"Dataset": plan.name} | {plots.label(s): spell_interval(scores.paired(by[s].to_numpy(), by[base].to_numpy()))
                                              for s in others})
    return to_frame(rows)


def headline(frame, p):
    """The smallest students: loss, and how many times fewer nodes and bytes and more rows per second."""
    rows = []
    for plan in [plan for plan in p.datasets if plan.leaf_caps]:
        for limit in (0.005, 0.012):
            here = frame[(frame.dataset == plan.name) & (frame.experiment == "headline") & (frame.limit == limit)]
            mean = {m: here[here.metric == m].value for m in here.metric.unique()}
            rows.append({"Dataset": plan.name, "Loss allowed": limit, "Test loss": spell(mean["loss"]),
                         "Source": ", ".join(sorted({plots.label(s) for s in here.source})),
                         "Times fewer nodes": f"{np.median(mean['fewer_nodes']):,.0f}",
                         "Times fewer bytes": f"{np.median(mean['fewer_bytes']):,.0f}",
                         "Times faster": f"{np.median(mean['speedup']):,.0f}",
                         "Times faster, one row": f"{np.median(mean['speedup_batch_1']):,.0f}"})
    return to_frame(rows)
