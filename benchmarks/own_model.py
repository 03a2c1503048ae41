"""How small a student of a table can become, beside what others offer.

For each table, seed and limit of the loss: the smallest student that keeps the limit on validation
rows, by this tool and by its peers, all with the same teacher (a forest of 500 trees), the same
rows and the same sizes to choose from; loss, nodes, bytes and rows per second are those of the
report rows, which nothing was chosen on.

    python benchmarks/own_model.py            all of it: hours
    python benchmarks/own_model.py --toy      a few hundred rows, to see that it runs

Rows are kept in results/own_model.csv as they come: the same command goes on where it stopped. The
tables are written to published/benchmarks/own_model.md. imodels and endgame-ml take part where they
are installed (pip install imodels endgame-ml).
"""

import argparse
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.tree import DecisionTreeRegressor

from ganmc_utils import ClassifierCompressor
from ganmc_utils.compress import measures
from ganmc_utils.compress.report import Peer, as_peer, peers
from ganmc_utils.compress.search import Judge
from ganmc_utils.compress.students import LADDERS, count_nodes
from ganmc_utils.core import paths
from ganmc_utils.forests.data import read_table

SEEDS = range(5)
LIMITS = (0.005, 0.012)
STUDENTS = ("auto", "boosted", "tree")  # ours
RESULTS = paths.ROOT / "results" / "own_model.csv"
PAGE = paths.ROOT / "published" / "benchmarks" / "own_model.md"
KEY = ["table", "seed", "limit", "method"]
SECONDS = 600  # for a search
TOY_SECONDS = 5
TOY_ROWS = 400
HIGGS_REPORT_ROWS = 10_000


@dataclass(frozen=True)
class Data:
    """Rows to compress on, and rows for the report where there are more than enough."""

    X: pd.DataFrame
    y: np.ndarray
    X_report: pd.DataFrame | None = None
    y_report: np.ndarray | None = None

    def first(self, n: int) -> "Data":
        """The first n rows."""
        if self.X_report is None:
            return Data(self.X[:n], self.y[:n])
        return Data(self.X[:n], self.y[:n], self.X_report[:n], self.y_report[:n])


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


# The peers: each gives students from small to large, as functions of the matrix.


def regression_ladder() -> Iterator[Callable]:
    """Unfitted regressors of probabilities, single trees and then boosted ones, by size."""
    for settings in LADDERS["tree"]:
        yield DecisionTreeRegressor(random_state=0, **settings)
    for leaves in (3, 8, 31):
        for iterations in (10, 50, 200):
            yield HistGradientBoostingRegressor(
                max_iter=iterations, max_leaf_nodes=leaves, early_stopping=False, random_state=0
            )


class AsFitted:
    """A fitted classifier that imodels may fit again without changing it."""

    _estimator_type = "classifier"
    prediction_task = "classification"

    def __init__(self, model):
        self.model = model

    def fit(self, x, y):
        """Nothing: it is fitted."""
        return self

    def predict_proba(self, x):
        """The model's own."""
        return self.model.predict_proba(x)


def imodels_students(teacher, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[Callable, object]]:
    """The DistilledRegressor of imodels, which learns the teacher's probability of its rows."""
    from imodels import DistilledRegressor

    for regressor in regression_ladder():
        distilled = DistilledRegressor(AsFitted(teacher.model), regressor).fit(x, y)
        yield lambda rows, d=distilled: both_classes(d.predict(rows)), regressor


def endgame_students(teacher, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[Callable, object]]:
    """endgame-ml's KnowledgeDistiller with its own generated rows."""
    from endgame.ensemble import KnowledgeDistiller
    from sklearn.tree import DecisionTreeClassifier

    for settings in LADDERS["tree"]:
        student = DecisionTreeClassifier(random_state=0, **settings)
        distilled = KnowledgeDistiller(
            teacher=teacher.model, student=student, augment=True, augment_ratio=9.0, random_state=0
        ).fit(x, y)
        yield distilled.student_.predict_proba, distilled.student_


def both_classes(p: np.ndarray) -> np.ndarray:
    """Probabilities of class 1 as (n, 2)."""
    p = np.clip(p, 0, 1)
    return np.column_stack([1 - p, p])


PACKAGES = {"imodels": imodels_students, "endgame": endgame_students}


def smallest(students: Iterator[tuple[Callable, object]], judge: Judge) -> Peer:
    """The first student that meets the limit, else the one nearest to the teacher."""
    tried = []
    for predict, model in students:
        p = predict(judge.x)
        peer = Peer(predict, count_nodes(model), None)
        tried.append((judge.distance(p), peer))
        if judge.is_kept(p, judge.standard_error(p)):
            return peer
    return min(tried, key=lambda pair: pair[0])[1]


def rows_of(table: str, data: Data, seed: int, limit: float, seconds: int) -> list[dict]:
    """A row for each method at one table, seed and limit."""
    rows = []
    for family in STUDENTS:
        model = ClassifierCompressor(
            student=family,
            max_loss=limit,
            max_seconds=seconds,
            random_state=seed,
            progress=False,
        )
        model.fit(data.X, data.y, data.X_report, data.y_report)
        methods = {f"this tool, {family}": as_peer(model.choice_.trial)}
        if family == "auto":
            methods |= others(model)
        rows += [scored(model, method, peer) for method, peer in methods.items()]
    about = {"table": table, "seed": seed, "limit": limit}
    return [about | row for row in rows]


def others(model: ClassifierCompressor) -> dict[str, Peer]:
    """What stands beside the student: the report's peers and other packages."""
    beside = peers(model.teacher_, model.choice_.trial, model.parts_)
    methods = {
        ("labels, same family" if k == 0 else name): as_peer(peer)
        for k, (name, peer) in enumerate(beside.items())
    }
    parts = model.parts_
    for package, students in PACKAGES.items():
        is_possible = package == "endgame" or parts.judge.n_classes == 2
        if importlib.util.find_spec(package) and is_possible:
            each = students(model.teacher_, parts.x_train, parts.y_train)
            methods[package] = smallest(each, parts.judge)
    return methods


def scored(model: ClassifierCompressor, method: str, peer: Peer) -> dict:
    """Loss with its interval, sizes and speed of one method on the report rows."""
    parts, teacher = model.parts_, model.teacher_
    metric, x, y = parts.judge.metric, parts.x_report, parts.y_report
    both = [teacher.ask(x), peer.predict(x)]
    resampled = measures.resampled_scores(metric, y, both)
    scores = [measures.score(metric, y, p) for p in both]
    loss = measures.interval(scores[0] - scores[1], resampled[0] - resampled[1])
    batch = np.resize(x, (10_000, x.shape[1]))
    return {
        "method": method,
        "metric": metric,
        "teacher": scores[0],
        "teacher_nodes": teacher.n_nodes(),
        "loss": loss.value,
        "low": loss.low,
        "high": loss.high,
        "nodes": peer.nodes,
        "bytes": peer.bytes,
        "rows_per_second": 10_000 / measures.seconds_of_call(lambda: peer.predict(batch), 3),
        "student": model.choice_.trial.design.words() if method.startswith("this") else "",
        "source": model.choice_.source if method.startswith("this") else "",
    }


def page(results: pd.DataFrame) -> str:
    """The results as Markdown: a table for each limit, means over seeds."""
    parts = ["# How small a model of a table can become\n"]
    for limit, of_limit in results.groupby("limit"):
        parts.append(f"## Limit {limit:g}\n")
        parts.append(of_limit.pipe(table_of).to_markdown(index=False, disable_numparse=True))
        parts.append("")
    return "\n".join(parts)


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


def main() -> None:
    """Compute what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--toy", action="store_true", help="a few hundred rows, one seed")
    parser.add_argument("--tables", nargs="+", default=list(TABLES), choices=TABLES)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    asked = parser.parse_args()
    path = RESULTS.with_name("own_model_toy.csv") if asked.toy else RESULTS
    results = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=KEY)
    done = set(zip(results["table"], results["seed"], results["limit"]))
    for name in asked.tables:
        data = TABLES[name]()
        if asked.toy:
            data = data.first(TOY_ROWS)
        for seed in asked.seeds[:1] if asked.toy else asked.seeds:
            for limit in LIMITS:
                if (name, seed, limit) in done:
                    continue
                seconds = TOY_SECONDS if asked.toy else SECONDS
                rows = pd.DataFrame(rows_of(name, data, seed, limit, seconds))
                results = pd.concat([results, rows]) if len(results) else rows
                paths.write_atomically(path, results.to_csv(index=False))
                print(rows[["table", "seed", "limit", "method", "loss", "nodes", "bytes"]])
    if asked.toy:
        print(page(results))
    else:
        paths.write_atomically(Path(PAGE), page(results) + "\n")
        print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
