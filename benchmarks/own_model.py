"""How small a student of a table can become, beside what others offer.

For each table, seed and limit of the loss: the smallest student that keeps the limit on validation
rows, by this tool and by its peers, all with the same teacher (a forest of 500 trees), the same
rows and the same sizes to choose from; loss, nodes, bytes and rows per second are those of the
report rows, which nothing was chosen on.

    python benchmarks/own_model.py            all of it: an hour or two on one core
    python benchmarks/own_model.py --toy      a few hundred rows, to see that it runs

There is one teacher and one choice of the rows to learn from for each table and seed; students of
both limits are read from one search. A search has 120 seconds, and the teacher is asked 50,000
times at most, where the tool alone would ask up to 200,000 times.

Rows are kept in published/benchmarks/own_model.csv as they come: the same command goes on where it
stopped, and each line that it prints says how much time is left. Rows of other code, which the
column `code` tells, are computed anew. The tables are written to own_model.md beside it. imodels
and endgame-ml take part where they are installed (pip install imodels endgame-ml).
"""

import argparse
import importlib.util
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from ganmc_utils import ClassifierCompressor
from ganmc_utils.compress import measures
from ganmc_utils.compress.climbing import BYTES_BESIDE, BYTES_OF_NODE, climb, ladder_of, shortened
from ganmc_utils.compress.judge import NEAR, Judge, Trial, best_of, near_the_best, tried
from ganmc_utils.compress.report import Peer, as_peer, fewer_trees, on_the_labels, pruned_tree
from ganmc_utils.compress.search import LabelledRows, Search
from ganmc_utils.compress.students import LADDERS, Design, count_nodes, predictions
from ganmc_utils.core import paths
from ganmc_utils.core.meaning import result_key
from ganmc_utils.forests.data import read_table

SEEDS = range(5)
LIMITS = (0.005, 0.012)
OURS = {"auto": tuple(LADDERS), "boosted": ("boosted",), "tree": ("tree",)}
GOAL = 50  # the teacher's nodes over the student's
RESULTS = paths.ROOT / "published" / "benchmarks" / "own_model.csv"
PAGE = RESULTS.with_suffix(".md")
TOY_RESULTS = paths.ROOT / "results" / "own_model_toy.csv"
MAX_QUERIES = 50_000
SECONDS = 120  # for a search, as the tool has by itself
TOY_SECONDS = 5
TOY_ROWS = 400
HIGGS_REPORT_ROWS = 10_000
TIMED_ROWS = 10_000


@dataclass(frozen=True)
class Data:
    """Rows to compress on, and rows for the report where there are more than enough."""

    X: pd.DataFrame
    y: np.ndarray
    X_report: pd.DataFrame | None = None
    y_report: np.ndarray | None = None

    def some(self, n: int) -> "Data":
        """N rows at random: a table may be sorted by class."""
        rows = np.random.default_rng(0).permutation(len(self.y))[:n]
        if self.X_report is None:
            return Data(self.X.iloc[rows], self.y[rows])
        return Data(self.X.iloc[rows], self.y[rows], self.X_report[:n], self.y_report[:n])


def table_data(name: str) -> Data:
    """A whole table of the book."""
    table = read_table(name)
    return Data(pd.DataFrame(table.x, columns=table.columns), table.y)


def higgs_data(n: int) -> Data:
    """HIGGS: n rows, some of which are held back for validation, and 10,000 for the report."""
    whole = table_data("higgs")
    end = HIGGS_REPORT_ROWS
    return Data(whole.X[end : end + n], whole.y[end : end + n], whole.X[:end], whole.y[:end])


def digits_data() -> Data:
    """The digits of scikit-learn as a table of 64 columns and ten classes."""
    digits = load_digits(as_frame=True)
    return Data(digits.data, digits.target.to_numpy())


def adult_like_data(n: int = 20_000) -> Data:
    """Generated rows like those of a census: numbers, categories, missing values."""
    rng = np.random.default_rng(0)
    jobs = np.array(["clerk", "craft", "exec", "farm", "prof", "sales", "service", "tech"], object)
    states = np.array(["divorced", "married", "never", "widowed"], object)
    X = pd.DataFrame(
        {
            "age": rng.integers(17, 90, n),
            "education": rng.integers(1, 17, n),
            "hours": np.clip(rng.normal(40, 12, n), 1, 99).round(),
            "gain": np.where(rng.random(n) < 0.08, rng.exponential(8000, n), 0).round(),
            "job": rng.choice(jobs, n),
            "state": rng.choice(states, n, p=[0.15, 0.5, 0.3, 0.05]),
            "region": rng.choice(["north", "south", "east", "west"], n),
        }
    )
    of_job = pd.Series({"exec": 1.0, "prof": 0.8, "tech": 0.4, "farm": -0.8, "service": -1.0})
    logit = 0.35 * (X["education"] - 11) + 1.6 * (X["state"] == "married")
    logit += X["job"].map(of_job).fillna(0) + 0.03 * (X["hours"] - 40)
    logit += -((X["age"] - 48) ** 2) / 400 + (X["gain"] > 5000) * 3
    y = (rng.random(n) < 1 / (1 + np.exp(1 - logit))).astype(int)
    X.loc[rng.random(n) < 0.06, "job"] = None
    X.loc[rng.random(n) < 0.05, "hours"] = np.nan
    return Data(X, y.to_numpy())


TABLES: dict[str, Callable[[], Data]] = {
    "magic": lambda: table_data("magic"),
    "higgs_30k": lambda: higgs_data(36_000),
    "higgs_1k": lambda: higgs_data(1_250),
    "evergreen": lambda: table_data("evergreen"),
    "breast_cancer": lambda: table_data("breast_cancer"),
    "digits": digits_data,
    "adult_like": adult_like_data,
}


def students(
    search: Search, rows_to_learn: list[LabelledRows], judges: dict[float, Judge]
) -> dict[float, list[Trial]]:
    """Students of all families and sets of rows for each limit, from one search.

    Families climb from small to large until one keeps the strictest limit, so those that keep a
    looser one are among them; boosted trees are cut anew for each limit.
    """
    strictest = judges[min(judges)]
    trials = {limit: [] for limit in judges}
    for k, rows in enumerate(rows_to_learn):
        x, target = rows.x, rows.target
        for family in LADDERS:
            if k > 0 and strictest.time_is_up():
                continue
            if family == "boosted":
                found = boosted(x, target, judges)
            else:
                climbed = climb(family, x, target, strictest)
                found = {
                    limit: [judged_by(judge, trial) for trial in climbed]
                    for limit, judge in judges.items()
                }
            for limit in judges:
                trials[limit] += [replace(trial, source=rows.source) for trial in found[limit]]
    return trials


def boosted(
    x: np.ndarray, target: np.ndarray, judges: dict[float, Judge]
) -> dict[float, list[Trial]]:
    """Boosted trees of each number of leaves, cut for each limit."""
    strictest = judges[min(judges)]
    trials = {limit: [] for limit in judges}
    for settings in ladder_of("boosted", strictest):
        whole = tried(Design("boosted", settings), x, target, strictest)
        for limit, judge in judges.items():
            trials[limit].append(shortened(judged_by(judge, whole), x, target, judge, np.inf))
        if strictest.time_is_up():
            break
    return trials


def judged_by(judge: Judge, trial: Trial) -> Trial:
    """The same student under another limit."""
    p = predictions(trial.student, judge.x)
    return replace(trial, is_kept=judge.is_kept(p, trial.standard_error))


# The peers: each packs students of all sizes into one, so that its teacher is asked once.


class TreesOfAllSizes(ClassifierMixin, BaseEstimator):
    """Classification trees from small to large."""

    def fit(self, x, y):
        """Fit all."""
        self.models_ = [
            DecisionTreeClassifier(random_state=0, **settings).fit(x, y)
            for settings in LADDERS["tree"]
        ]
        self.classes_ = self.models_[0].classes_
        return self

    def predict(self, x):
        """Of the largest."""
        return self.models_[-1].predict(x)


class RegressorsOfAllSizes(RegressorMixin, BaseEstimator):
    """Regressors of probabilities: single trees and then boosted ones, from small to large."""

    def fit(self, x, p):
        """Fit all."""
        trees = [DecisionTreeRegressor(random_state=0, **s) for s in LADDERS["tree"]]
        boosted = [
            HistGradientBoostingRegressor(
                max_iter=iterations, max_leaf_nodes=leaves, early_stopping=False, random_state=0
            )
            for leaves in (3, 8, 31)
            for iterations in (10, 50, 200)
        ]
        self.models_ = [model.fit(x, p) for model in trees + boosted]
        return self


class AsFitted(ClassifierMixin, BaseEstimator):
    """A fitted classifier that imodels may fit again without changing it."""

    prediction_task = "classification"

    def __init__(self, model):
        self.model = model

    def fit(self, x, y):
        """Nothing: it is fitted."""
        return self

    def predict_proba(self, x):
        """The model's own."""
        return self.model.predict_proba(x)


def imodels_students(teacher, x: np.ndarray, y: np.ndarray, n_queries: int) -> list[Peer]:
    """The DistilledRegressor of imodels, which learns the teacher's probability of its rows."""
    from imodels import DistilledRegressor

    student = RegressorsOfAllSizes()
    DistilledRegressor(AsFitted(teacher.model), student).fit(x, y)
    return [peer_of(m, lambda rows, m=m: both_classes(m.predict(rows))) for m in student.models_]


def endgame_students(teacher, x: np.ndarray, y: np.ndarray, n_queries: int) -> list[Peer]:
    """endgame-ml's KnowledgeDistiller with its own generated rows, as many queries as ours."""
    from endgame.ensemble import KnowledgeDistiller

    distiller = KnowledgeDistiller(
        teacher=teacher.model,
        student=TreesOfAllSizes(),
        augment=True,
        augment_ratio=max(1.0, n_queries / len(x) - 1),
        random_state=0,
    )
    models = distiller.fit(x, y).student_.models_
    return [peer_of(model, model.predict_proba) for model in models]


PACKAGES = {"imodels": imodels_students, "endgame": endgame_students}


def peer_of(model: BaseEstimator, predict: Callable) -> Peer:
    """The Peer of trees; no file of it is written, so its bytes are those that nodes take."""
    n_nodes = count_nodes(model)
    return Peer(predict, n_nodes, BYTES_BESIDE + BYTES_OF_NODE * n_nodes)


def both_classes(p: np.ndarray) -> np.ndarray:
    """Probabilities of class 1 as (n, 2)."""
    p = np.clip(p, 0, 1)
    return np.column_stack([1 - p, p])


def smallest(peers: list[Peer], judge: Judge) -> Peer:
    """The smallest that keeps the limit, else the smallest that hardly misfits more."""
    all_p = [peer.predict(judge.x) for peer in peers]
    kept = [peer for peer, p in zip(peers, all_p) if judge.is_kept(p, judge.standard_error(p))]
    if not kept:
        near = near_the_best(np.array([judge.misfits(p) for p in all_p]), NEAR)
        kept = [peers[k] for k in near]
    return min(kept, key=lambda peer: peer.nodes)


def rows_of(table: str, data: Data, seed: int, seconds: int) -> list[dict]:
    """A row for each limit and method at one table and seed."""
    started = time.monotonic()
    model = ClassifierCompressor(
        max_loss=min(LIMITS), max_seconds=seconds, random_state=seed, progress=False
    )
    search = model.search_of(data.X, data.y, data.X_report, data.y_report)
    search.n_queries = min(search.n_queries, MAX_QUERIES)
    rows_to_learn = search.choose_rows()
    judges = {limit: replace(search.judge, max_loss=limit) for limit in LIMITS}
    trials = students(search, rows_to_learn, judges)

    parts, teacher, judge = model.parts_, model.teacher_, search.judge
    pruned = pruned_tree(parts.x_train, parts.y_train, judge)
    of_packages = {
        package: students_of(teacher, parts.x_train, parts.y_train, search.n_queries)
        for package, students_of in PACKAGES.items()
        if importlib.util.find_spec(package) and (package == "endgame" or judge.n_classes == 2)
    }
    labels = np.eye(judge.n_classes)[parts.y_train]
    rows = []
    for limit, judge in judges.items():
        methods, words = {}, {}
        for name, families in OURS.items():
            of_families = [trial for trial in trials[limit] if trial.design.family in families]
            best = best_of(of_families, judge)
            methods[f"this tool, {name}"] = best
            words[f"this tool, {name}"] = f"{best.design.words()} of {best.source}"
        auto = methods["this tool, auto"]
        methods["labels, same family"] = on_the_labels(auto, parts.x_train, labels, judge)
        methods["fewer trees"] = fewer_trees(teacher, judge)
        methods["pruned tree"] = pruned
        for package, peers in of_packages.items():
            methods[package] = smallest(peers, judge)
        rows += [
            {"table": table, "seed": seed, "limit": limit} | row | {"student": words.get(name, "")}
            for name, row in scored(model, methods).items()
        ]
    seconds = time.monotonic() - started
    return [row | {"seconds": seconds} for row in rows]


def scored(model: ClassifierCompressor, methods: dict[str, Trial | Peer]) -> dict[str, dict]:
    """Loss with its interval, sizes and speed of each method on the report rows."""
    parts, teacher = model.parts_, model.teacher_
    metric, x, y = parts.judge.metric, parts.x_report, parts.y_report
    peers = {name: as_peer(method) for name, method in methods.items()}
    all_p = [teacher.ask(x)] + [peer.predict(x) for peer in peers.values()]
    of_teacher, *resampled = measures.resampled_scores(metric, y, all_p)
    teacher_score, *scores = [measures.score(metric, y, p) for p in all_p]
    batch = np.resize(x, (TIMED_ROWS, x.shape[1]))
    rows = {}
    for k, (name, peer) in enumerate(peers.items()):
        loss = measures.interval(teacher_score - scores[k], of_teacher - resampled[k])
        seconds = measures.seconds_of_call(lambda peer=peer: peer.predict(batch), 3)
        rows[name] = {
            "method": name,
            "metric": metric,
            "teacher": teacher_score,
            "teacher_nodes": teacher.n_nodes(),
            "loss": loss.value,
            "low": loss.low,
            "high": loss.high,
            "nodes": peer.nodes,
            "bytes": peer.bytes or BYTES_BESIDE + BYTES_OF_NODE * peer.nodes,
            "rows_per_second": TIMED_ROWS / seconds,
        }
    return rows


def page(results: pd.DataFrame) -> str:
    """The results as Markdown: the goal, then a table for each limit, means over seeds."""
    parts = ["# How small a model of a table can become\n", introduction(results)]
    for limit, of_limit in results.groupby("limit"):
        parts.append(f"## Within {limit:.1%}\n")
        for table in (goals_of(of_limit), table_of(of_limit)):
            parts.append(table.to_markdown(index=False, disable_numparse=True))
            parts.append("")
    return "\n".join(parts)


def introduction(results: pd.DataFrame) -> str:
    """What the tables show, and who is not among them."""
    absent = [package for package in PACKAGES if package not in set(results["method"])]
    without = f" Not installed: {', '.join(absent)}." if absent else ""
    return (
        "Loss against a forest of 500 trees (of AUC; of accuracy where there are more than two "
        "classes): mean over seeds, each with its own split and forest, and the mean of the bounds "
        "of a seed's 95% interval. Sizes and speed are medians, on one core. Where a method writes "
        "no ONNX file, its bytes are the least that its nodes would take. Same family: that of "
        f"`this tool, auto`, fitted to the labels and no larger.{without}\n"
    )


def goals_of(results: pd.DataFrame) -> pd.DataFrame:
    """A line for each table: is the goal met, and is a peer smaller at no more loss?"""
    lines = []
    for table, rows in results.groupby("table", sort=False):
        loss = rows.groupby("method")["loss"].mean()
        size = rows.groupby("method")["bytes"].median()
        limit, auto = rows["limit"].iloc[0], "this tool, auto"
        ours = rows[rows["method"] == auto]
        share = (ours["teacher_nodes"] / ours["nodes"]).median()
        peers = [method for method in loss.index if not method.startswith("this")]
        smaller = [m for m in peers if size[m] < size[auto] and loss[m] <= max(loss[auto], limit)]
        is_small = pd.isna(share) or share >= GOAL
        line = {"table": table, "goal": "met" if loss[auto] <= limit and is_small else "missed"}
        line["loss above the limit"] = f"{max(0, loss[auto] - limit):.4f}"
        kept = (ours["loss"] <= limit).sum()
        sure = (ours["high"] <= limit).sum()
        line["seeds within it, surely within it"] = f"{kept} and {sure} of {len(ours)}"
        line["teacher's nodes / its own"] = in_words(share) or "no trees"
        line["smaller peers that keep it or lose no more"] = ", ".join(smaller) or "none"
        lines.append(line)
    return pd.DataFrame(lines)


def table_of(results: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, a line for each table and method."""
    lines = []
    for (table, method), rows in results.groupby(["table", "method"], sort=False):
        share = (rows["teacher_nodes"] / rows["nodes"]).median()
        line = {"table": table, "method": method, "seeds": len(rows)}
        line["loss"] = f"{rows['loss'].mean():.4f}"
        line["interval of a seed"] = f"[{rows['low'].mean():.4f}, {rows['high'].mean():.4f}]"
        line["nodes"] = in_words(rows["nodes"].median())
        line["teacher's nodes / its own"] = in_words(share)
        line["bytes"] = in_words(rows["bytes"].median())
        line["rows per second"] = in_words(rows["rows_per_second"].median())
        lines.append(line)
    return pd.DataFrame(lines)


def in_words(number: float) -> str:
    """A number for a table; "" where it is not known."""
    return "" if pd.isna(number) else f"{number:,.0f}"


def minutes_left(results: pd.DataFrame, left: list[tuple[str, int]]) -> float:
    """Minutes that tables and seeds will take: as long as the same table, else as the mean."""
    seconds = results.groupby("table")["seconds"].mean()
    return sum(seconds.get(table, seconds.mean()) for table, _ in left) / 60


def main() -> None:
    """Compute what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toy", action="store_true", help="a few hundred rows, one seed")
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for a search (%(default)s)")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)  # of the packages beside ours
    os.environ["PYTHONWARNINGS"] = "ignore"
    path = TOY_RESULTS if asked.toy else RESULTS
    seeds = asked.seeds[:1] if asked.toy else asked.seeds
    seconds = TOY_SECONDS if asked.toy else asked.seconds
    code = result_key({"seconds": seconds}, rows_of, ClassifierCompressor, Search)
    columns = ["table", "seed", "code"]
    results = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=columns)
    results = results[results["code"] == code]
    done = set(zip(results["table"], results["seed"]))
    left = [(name, seed) for seed in seeds for name in asked.tables if (name, seed) not in done]
    while left:  # all tables of a seed, then the next seed
        name, seed = left.pop(0)
        data = TABLES[name]()
        if asked.toy:
            data = data.some(TOY_ROWS)
        rows = pd.DataFrame(rows_of(name, data, seed, seconds)).assign(code=code)
        results = pd.concat([results, rows]) if len(results) else rows
        paths.write_atomically(path, results.to_csv(index=False))
        took, more = rows["seconds"].iloc[0], minutes_left(results, left)
        print(f"{name}, seed {seed}: {took:.0f} s; about {more:.0f} minutes left", flush=True)
    if asked.toy:
        print(page(results))
    else:
        paths.write_atomically(PAGE, page(results) + "\n")
        print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
