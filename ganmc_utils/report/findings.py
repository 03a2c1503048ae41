"""What a book shows beside its chapters' answers, all from its records.

The findings and the recommendations of the first page, the claim box of a chapter, and the line
that says what a chapter ran on.
"""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from ganmc_utils.core import records
from ganmc_utils.core.records import Record
from ganmc_utils.forests.claims import GAN_SOURCES, main_teacher, score_above
from ganmc_utils.forests.tables import GENERATED_SOURCES
from ganmc_utils.report import answers, plots, statistics, text
from ganmc_utils.report.answers import Evidence
from ganmc_utils.report.paper import PAPER_NAME, published_number
from ganmc_utils.report.phrases import (
    SCORE,
    compare,
    count,
    dataset_in_words,
    duration,
    listed,
    sentence,
    signed_with_bounds,
    with_bounds,
)
from ganmc_utils.report.scoreboard import CLAIMS
from ganmc_utils.report.statistics import Interval

CHAPTER_PAGE = "/published/notebooks"
SCOREBOARD = "08_scoreboard"
MOST_CLAIMS = 6

Book = Mapping[str, Evidence]
"""The evidence of each chapter that has been run, by notebook."""


def book_of(run_records: Mapping[str, Record]) -> dict[str, Evidence]:
    """The evidence of a book from its records, by notebook."""
    verdicts = None
    if SCOREBOARD in run_records:
        verdicts = records.as_frame(run_records[SCOREBOARD])
    return {
        notebook: Evidence(record, verdicts)
        for notebook, record in run_records.items()
        if notebook in answers.ANSWERS
    }


def link(notebook: str, words: str) -> str:
    """A link to a chapter that is good on every page of the book."""
    return f"{{doc}}`{words} <{CHAPTER_PAGE}/{notebook}>`"


def chapter_link(notebook: str) -> str:
    """The link behind a finding, such as "(chapter 01)"."""
    return f"({link(notebook, f'chapter {notebook[:2]}')})"


def images_in_words(evidence: Evidence) -> str:
    """On which images a finding was made."""
    return f"on {dataset_in_words(evidence.images, evidence.parameters)}"


# The findings


def on_images(finding: Callable[[Evidence], list[str]], notebook: str) -> Callable[[Book], str]:
    """A finding of a chapter on images: on which, what, and the link."""

    def in_book(book: Book) -> str:
        parts = finding(book[notebook]) if notebook in book else []
        if not parts:
            return ""
        return sentence(f"{images_in_words(book[notebook])},", *parts, chapter_link(notebook))

    return in_book


def on_tables(finding: Callable[[Evidence], list[str]]) -> Callable[[Book], str]:
    """A finding of chapter 06 and the link."""

    def in_book(book: Book) -> str:
        notebook = "06_random_forests"
        parts = finding(book[notebook]) if notebook in book else []
        return sentence(*parts, chapter_link(notebook)) if parts else ""

    return in_book


def mixture(evidence: Evidence) -> list[str]:
    """The mixture against training images alone."""
    against = evidence.claimed("l2_mixture_over_train", answers.OF_TRAINING_IMAGES)
    if not against:
        return []
    return ["a small network trained on the teacher's logits for training and GAN images", against]


def any_images(evidence: Evidence) -> list[str]:
    """What of the mixture's gain comes with any images, if only the teacher labels them."""
    intervals = answers.noise_comparison(evidence)
    if intervals is None:
        return []
    over_train, of_gan = intervals
    return [
        "with noise in place of the GAN's images the same network",
        f"{compare(over_train, answers.OF_TRAINING_IMAGES)}, and with GAN images it",
        compare(of_gan, "the one with noise"),
    ]


def flips(evidence: Evidence) -> list[str]:
    """Flips and crops against the mixture."""
    against = answers.flips_over_mixture(evidence)
    if against is None:
        return []
    words = "a network trained on flipped and cropped images, without any GAN,"
    return [words, compare(against, "one trained on training and GAN images")]


def gan_rows(evidence: Evidence) -> list[str]:
    """GAN rows against training rows, for one tree."""
    against = answers.of_gan_rows(evidence, "chosen")
    if not against:
        return []
    words = "one tree trained on a forest's predictions for rows of our pool of several GANs"
    return [words, against]


def rows_of_single_gan(evidence: Evidence) -> list[str]:
    """The same with the paper's generator, which is no pool."""
    against = answers.of_gan_rows(evidence, "single")
    return ["with one GAN, as in the paper, the same tree", against] if against else []


def jittered_rows(evidence: Evidence) -> list[str]:
    """Jitter against the GAN."""
    against = answers.tree_against(evidence, "jitter", "gan", answers.OF_GAN_ROWS)
    words = "a tree trained on jittered rows, without any GAN,"
    return [words, against] if against else []


def unreal_rows(evidence: Evidence) -> list[str]:
    """What is left of the GAN's gain where any rows will do, if only the teacher labels them."""
    against = answers.tree_against(evidence, "independent", "gan", answers.OF_GAN_ROWS)
    words = "a tree trained on unreal rows, whose columns are drawn independently,"
    return [words, against] if against else []


def out_of_bag(evidence: Evidence) -> list[str]:
    """Labels that cost nothing."""
    over_train = answers.tree_against(
        evidence, "train_oob", "train", "one trained on its usual predictions"
    )
    if not over_train:
        return []
    words = "a tree trained on the forest's out-of-bag predictions for the training rows, which are"
    return [words, "free,", over_train]


SEES = {
    "confirmed": "sees {damage}",
    "inconclusive": "is not shown to see {damage}",
    "refuted": "takes {damage} for an improvement",
}


def scores(evidence: Evidence) -> list[str]:
    """How many kinds of damage scores put in order, and what they say of collapse in a class."""
    if "within_class" not in answers.series_of(evidence):
        return []
    phrases = []
    damage, tau_name = answers.DAMAGE["within_class"], "Kendall's tau with the right order "
    for metric in ("compression_score", "inception_score"):
        tau = answers.agreement(evidence, "within_class", metric)
        verb = SEES[statistics.verdict(tau)].format(damage=damage)
        value = with_bounds(tau, SCORE)
        phrases.append(f"the {answers.label_of(metric)} {verb} ({tau_name}{value})")
        damage, tau_name = "it", ""
    missed = answers.missed_damage(evidence)
    known = answers.known_orders(evidence)
    return [f"{known}: {', '.join(phrases)}" + (f"; {missed}" if missed else "")]


FINDINGS: dict[str, Callable[[Book], str]] = {
    "GAN images": on_images(mixture, "01_dnn_compression"),
    "Noise for images": on_images(any_images, "01_dnn_compression"),
    "Flips and crops": on_images(flips, "01_dnn_compression"),
    "GAN rows": on_tables(gan_rows),
    "The paper's single GAN": on_tables(rows_of_single_gan),
    "Unreal rows": on_tables(unreal_rows),
    "Jitter": on_tables(jittered_rows),
    "Out-of-bag labels": on_tables(out_of_bag),
    "Scores of a GAN": on_images(scores, "07_compression_score"),
}
"""What the first page says, by its subject: one sentence, or "" where the records lack it."""


def findings(book: Book) -> str:
    """The findings of a book as a list in Markdown, and at which scale they were made."""
    sentences = {subject: finding(book) for subject, finding in FINDINGS.items()}
    lines = [f"- **{subject}.** {words}" for subject, words in sentences.items() if words]
    if not lines:
        return "None of the chapters has been run in this book."
    return "\n".join([*lines, "", scale_of_findings(book)])


def scale_of_findings(book: Book) -> str:
    """A paragraph: what the brackets are, and at which scale the findings were made."""
    scales = [
        f"{kind}: {answers.size_in_words(book[notebook])}."
        for kind, notebook in (("Images", "01_dnn_compression"), ("Tables", "06_random_forests"))
        if notebook in book
    ]
    if "06_random_forests" in book:
        scales.append(answers.points_in_words(book["06_random_forests"]).strip())
    return f"*{' '.join([intervals_of_findings(book), *scales])}*"


def intervals_of_findings(book: Book) -> str:
    """What the brackets of the findings are taken over."""
    of_kind = {
        "on images": "01_dnn_compression",
        "on tables": "06_random_forests",
        "of scores": "07_compression_score",
    }
    over = [
        f"{kind} over {answers.runs_in_words(book[notebook])}"
        for kind, notebook in of_kind.items()
        if notebook in book and answers.runs_in_words(book[notebook])
    ]
    return (
        f"In brackets: 95% intervals{', ' if over else ''}{'; '.join(over)}. Each stands alone: of "
        "twenty true differences of zero, one can be expected to have an interval without zero."
    )


# The answer in short


def in_short(book: Book) -> str:
    """How the primary claims came out, and what sources without a GAN do beside the GAN.

    The source without a GAN is the one that does best on validation; "" without any record.
    """
    return " ".join(words for words in (primary_verdicts(book), without_gan(book)) if words)


def primary_verdicts(book: Book) -> str:
    """Sentence: how many of the primary claims have each verdict; "" without a scoreboard."""
    verdicts = next((each.verdicts for each in book.values() if each.verdicts is not None), None)
    if verdicts is None:
        return ""
    of_primary = verdicts[verdicts.family == "primary"].verdict
    if of_primary.empty:
        return ""
    counts = [f"{(of_primary == verdict).sum()} {verdict}" for verdict in statistics.VERDICTS]
    kinds = listed(counts)
    return sentence(f"of {count(len(of_primary), 'primary claim')} of the paper we find", kinds)


def without_gan(book: Book) -> str:
    """Sentence: where the best source without a GAN beats the GAN; "" where none was run."""
    groups = {verdict: [] for verdict in OUTCOMES}
    for place, interval in gains_without_gan(book).items():
        groups[statistics.verdict(interval)].append(place)
    phrases = {
        verdict: words.format(places=listed(groups[verdict]))
        for verdict, words in OUTCOMES.items()
        if groups[verdict]
    }
    if not phrases:
        return ""
    left_open = "between the best source without a GAN and our GANs"
    if list(phrases) == ["inconclusive"]:
        return sentence(phrases["inconclusive"].replace("between the two", left_open))
    return sentence("the best source that needs no GAN", "; ".join(phrases.values()))


OUTCOMES = {
    "confirmed": "beats our GANs on {places}",
    "refuted": "does worse than our GANs on {places}",
    "inconclusive": "on {places} no difference between the two can be shown",
}


def gains_without_gan(book: Book) -> dict[str, Interval]:
    """Best source without a GAN - best share or pool of the GAN, by what the data are called."""
    gains = {}
    if "02_p_fake_sweep" in book:
        evidence = book["02_p_fake_sweep"]
        best = answers.best_source_of_images(evidence, "sweep", answers.NO_GAN)
        gan = answers.at_best_share(evidence, "sweep", "train+gan", "gan")
        of_best = answers.at_best_share(evidence, "sweep", best) if best else None
        place = dataset_in_words(evidence.images)
        if best == "flips":
            place += " (flips allowed)"
        gains[place] = answers.difference(evidence, of_best, gan)
    if "06_random_forests" in book:
        evidence = book["06_random_forests"]
        no_gan = [source for source in TABLE_SOURCES if source not in GAN_SOURCES]
        for dataset in evidence.tables:
            best = best_source_of_table(evidence, dataset, no_gan)
            interval = score_above(best, "gan")(evidence.frame, dataset) if best else None
            gains[dataset_in_words(dataset)] = interval
    return {place: interval for place, interval in gains.items() if interval is not None}


# The table beside the paper


def beside_the_paper(book: Book) -> str:
    """What the scores of the headline table are, and where ours has fewer rows than the paper's."""
    if "06_random_forests" not in book:
        return ""
    evidence = book["06_random_forests"]
    fewer = []
    for dataset in evidence.tables:
        papers = published_number(f"table3/{PAPER_NAME.get(dataset, dataset)}/n_train")
        ours = n_train(evidence, dataset)
        if papers and ours < papers["value"]:
            place = dataset_in_words(dataset)
            fewer.append(f"{place} has {ours:,} training rows (the paper's {papers['value']:,.0f})")
    rows = sentence("our", listed(fewer)) if fewer else ""
    return f"Scores are {answers.metrics_in_words(evidence)}. {rows}".strip()


# The claim box of a chapter


def claim_box(notebook: str, verdicts: pd.DataFrame | None) -> str:
    """The verdicts on a chapter's claims as a table in Markdown, the primary ones first.

    Of each further claim one line is shown; the scoreboard has those of other datasets and methods.

    verdicts: the rows of the scoreboard's record; None where it has not been run.
    """
    claims = {claim.id: claim for claim in CLAIMS if claim.notebook == notebook}
    rows = verdicts[verdicts.metric.isin(claims)] if verdicts is not None else pd.DataFrame()
    if rows.empty:
        return "No claim of the paper is judged by this chapter's record."
    primary = rows[rows.family == "primary"]
    words = rows.metric.map({id: claim.words for id, claim in claims.items()})
    others = rows[~words.isin(words[primary.index])]
    first_of_each = others[~words[others.index].duplicated()]
    shown = pd.concat([primary, first_of_each])[:MOST_CLAIMS]
    table = text.table_of([claim_row(claims[row.metric], row) for row in shown.itertuples()])
    if not table["Paper"].any():
        table = table.drop(columns="Paper")
    legend = OURS_IN_A_BOX
    if len(shown) < len(rows):
        words = f"all {len(rows)} verdicts on this chapter's claims"
        legend += f" The {link(SCOREBOARD, 'scoreboard')} has {words}."
    return f"{text.markdown(table)}\n\n{legend}"


OURS_IN_A_BOX = (
    "*Ours* is the difference that the claim says lies above zero, with an allowed margin added; "
    "where a claim asks for several, the one whose interval reaches lowest."
)


def claim_row(claim, row) -> dict[str, str]:
    """One line of the claim box; row: of the scoreboard's record."""
    low, high = (float("nan") if pd.isna(bound) else bound for bound in (row.low, row.high))
    interval = Interval(row.value, low, high, int(row.n))
    ours = text.difference_and_interval(interval)
    if not pd.isna(row.fold):
        fold = Interval(row.fold, row.fold_low, row.fold_high, int(row.n))
        ours += f"; {text.fold_and_interval(fold)}"
    reason = f" ({row.reason})" if isinstance(row.reason, str) and row.reason else ""
    place = dataset_in_words(row.dataset)
    method = row.method.partition("; max_features")[0]  # of the first teacher, as in the chapter
    return {
        "Claim": f"{claim.words} ({claim.section})",
        "Verdict": f"**{row.verdict}**{reason}",
        "Ours": ours,
        "Paper": claim.paper(row.dataset),
        "Scale and method": f"{place}, {row.scale}; {method}",
    }


# What a chapter ran on


def ran_on(record: Record, repository: str = "") -> str:
    """One line: what a chapter ran on, when, how long, at which settings, from which commit.

    repository: where its files are read, such as ".../tree/main"; without it the links to notebook
    and code stay in the book.
    """
    machine = listed_machines(record)
    when = f", {record.date}" if record.date else ""
    profile = f"profile `{record.profile}`, commit `{record.commit}`"
    notebook = f"{{download}}`notebook <{CHAPTER_PAGE}/{record.notebook}.ipynb>`"
    code = "{doc}`code </book/api>`"
    if repository:
        notebook = f"[notebook]({repository}/notebooks/{record.notebook}.ipynb)"
        code = f"[code]({repository}/ganmc_utils)"
    return f"*Run on {machine}{when}: {time_taken(record)}; {profile}; {notebook}, {code}.*"


def listed_machines(record: Record) -> str:
    """The machines on which the results were computed, else the one that drew the chapter."""
    if record.machines:
        return " and ".join(record.machines)
    hardware = record.hardware
    return hardware.get("gpu") or f"{hardware.get('cores')} cores of {hardware.get('cpu')}"


def time_taken(record: Record) -> str:
    """How long the results took to compute; of old records only the last run is known."""
    if record.seconds_of_this_run is None:
        return f"drawn in {duration(record.seconds)} from stored results"
    return f"{duration(record.seconds)} of computing"


# What to use

ABOVE_GAN, IS_GAN = "Above our GANs", "it is one of them"
IMAGE_SOURCES = ("train", "train+gan", "gan", *answers.NO_GAN)
TABLE_SOURCES = ("train", "train_oob", "train+gan", *GENERATED_SOURCES)


def recommendations(book: Book) -> str:
    """Which source validation chose for which model and data, as a table in Markdown.

    On test it stands against the training data and against the best share or pool of the GAN.
    """
    rows = []
    if "02_p_fake_sweep" in book:
        rows += rows_of_images(book["02_p_fake_sweep"])
    if "06_random_forests" in book:
        rows += rows_of_tables(book["06_random_forests"])
    if not rows:
        return "None of the chapters that could tell has been run in this book."
    return text.markdown(text.table_of(rows))


def rows_of_images(evidence: Evidence) -> list[dict[str, str]]:
    """One row for images that may be flipped and shifted, and one for those that may not."""
    without_flips = tuple(source for source in IMAGE_SOURCES if source != "flips")
    cases = {
        "flips allowed": IMAGE_SOURCES,
        "no flips": without_flips,
    }
    images = dataset_in_words(evidence.images, evidence.parameters)
    train = answers.accuracies(evidence, "train", "sweep")
    gan = answers.at_best_share(evidence, "sweep", "train+gan", "gan")
    rows = []
    for words, sources in cases.items():
        best = answers.best_source_of_images(evidence, "sweep", sources)
        if best is None:
            continue
        is_train = best == "train"
        of_best = train if is_train else answers.at_best_share(evidence, "sweep", best)
        row = {
            "Tried on": f"{images}; {words}",
            "Best source": plots.label(best),
            "Above training data": "" if is_train else cell(evidence, of_best, train),
            ABOVE_GAN: IS_GAN if best in GAN_SOURCES else cell(evidence, of_best, gan),
        }
        rows.append(row)
    return rows


def cell(evidence: Evidence, a: pd.Series | None, b: pd.Series | None) -> str:
    """The difference of two sources of images with its interval."""
    interval = answers.difference(evidence, a, b)
    return "" if interval is None else signed_with_bounds(interval)


def rows_of_tables(evidence: Evidence) -> list[dict[str, str]]:
    """One row for each table: the source of the best single tree."""
    rows = []
    for dataset in evidence.tables:
        best = best_source_of_table(evidence, dataset)
        if best is None:
            continue
        row = {
            "Tried on": f"{dataset_in_words(dataset)}; {n_train(evidence, dataset):,} rows",
            "Best source": plots.label(best),
            "Above training data": tree_cell(evidence, dataset, best, "train"),
            ABOVE_GAN: IS_GAN,
        }
        if best not in GAN_SOURCES:
            row[ABOVE_GAN] = tree_cell(evidence, dataset, best, "gan")
        rows.append(row)
    return rows


def n_train(evidence: Evidence, dataset: str) -> int:
    """How many training rows a table has."""
    tasks = evidence.parameters["datasets"]
    return next(task["n_train"] for task in tasks if task["name"] == dataset)


def best_source_of_table(
    evidence: Evidence, dataset: str, sources: Sequence[str] = TABLE_SOURCES
) -> str | None:
    """The source whose single tree does best on validation; None where none of them was run."""
    frame = evidence.frame
    rows = frame[
        (frame.dataset == dataset)
        & (frame.experiment == "compression")
        & (frame.split == "validation")
        & (frame.teacher == main_teacher(frame, dataset))
        & (frame.trees == 1)
        & frame.source.isin(sources)
    ]
    return None if rows.empty else rows.groupby("source").value.mean().idxmax()


def tree_cell(evidence: Evidence, dataset: str, source: str, baseline: str) -> str:
    """The difference of two single trees with its interval."""
    if source == baseline:
        return ""
    interval = score_above(source, baseline)(evidence.frame, dataset)
    return "" if interval is None else signed_with_bounds(interval)
