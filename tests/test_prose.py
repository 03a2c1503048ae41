"""No result is typed by hand: prose says what the records say, through book/from_records.py.

The prose is that of the notebooks' Markdown cells, the texts in their code (captions, alt texts),
book/*.md and README.md. What looks like a measured result in it, in digits or in words, must be a
number of the paper (book/paper_numbers.json) in a paragraph about the paper, or one of ALLOWED.
Whole numbers that count something (500 trees, 5,000 images, Sec. 4, 2018) are no results.
"""

import ast
import json
import re

import pytest

from ganmc_utils.core import paths
from ganmc_utils.report.paper import paper_numbers

# What is written by a program, or includes what is.
GENERATED = {"parameters.md", "changelog.md"}

ALLOWED = {  # pattern: why it is no result
    r"\b(9[05]%|5%)(?= ((\w+|t-)\s?){0,2}intervals?| over| confidence| level| error| of them)":
        "a level of confidence or of error",
    r"\b(at|of) (9[05]|5)%|\bp (=|<|below) 0?\.05": "a level of confidence or of error",
    r"\bwithin 0\.012\b|\b1 ± 0\.05|\b0\.005 (and|or) 0\.012": "limits that are set in the code",
    r"\b(Python|version|torch|torchvision|CUDA|since) \d+(\.\d+)+": "a version",
    r"\b(p_fake|T|alpha|lr|rate|weight|scale|noise|limit|momentum)( of| at| is| =)? \d?\.\d+":
        "a parameter beside its name",
    r"\ba tenth of the training images": "a setting of the laptop profile",
    r"\b\d+(\.\d+)? (kB|MB|GB|TB/s|TFLOP/s)": "the size of a file, the rate of a data sheet",
}  # fmt: skip

NUMBERS_IN_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
    "forty": 40, "fifty": 50, "sixty": 60, "hundred": 100, "thousand": 1000,
}  # fmt: skip
MULTIPLES_IN_WORDS = {"twice": 2, "thrice": 3, "double": 2, "doubles": 2, "doubled": 2}
VAGUE = ("few", "several", "some", "couple of", "dozen", "dozens of", "hundreds of", "thousands of")

COMPARED = (
    "as|more|less|fewer|faster|slower|smaller|larger|bigger|better|worse|cheaper|the|that|what|its"
)
DIGITS = r"(?<![\w.])[-−+±]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?![\w]*\.\d)"
WORD = "|".join(NUMBERS_IN_WORDS)
ANY = rf"(?:{DIGITS}|\b(?:{WORD}|{'|'.join(VAGUE)}))"
AS = rf"(?=\s(?:{COMPARED}|their)\b)"
OF = r"(?= of\b| as\b| more\b| less\b| fewer\b| the\b|[.,;:)]|$)"
SUSPECTS = [
    r"(?<![\w.])[-−+±]?\d*\.\d+(?![\w.]*\w)%?",  # a decimal
    rf"{DIGITS}\s?(?:%|percent\b|per cent\b)",
    rf"{ANY}(?:\sof a)?\s(?:percentage )?(?:points?|percent)\b",
    rf"{ANY}\stimes{AS}",
    rf"(?:{DIGITS}-fold|\b(?:{WORD})-?fold)\b",
    rf"\b(?:{'|'.join(MULTIPLES_IN_WORDS)}|halves|halved|triples?|tripled){AS}",
    r"\bhalf (?:of |as |the |its |their )",
    rf"\b(?:a|one|two|three|four) (?:third|quarter|fifth|sixth|tenth|hundredth)s?{OF}",
    rf"(?:{ANY}|\b(?:an|half an))\s(?:and a half )?(?:hours?|minutes?)\b",
    rf"{ANY}\sseconds?\b",
    r"\b(?:accuracy|AUC|FID|KID|score)(?: of| is| was)? \d\d",
    rf"(?:{DIGITS}|\b(?!one\b)(?:{WORD})) of (?:the |our )?(?:{DIGITS}|(?:{WORD})\b)",
    rf"{ANY} (?:\w+ )?(?:(?:are|is|were) )?(?:confirmed|refuted|inconclusive)\b",
]

# A sentence that tells to do something, or asks something, states no result.
NO_STATEMENT = re.compile(
    r"^(?:Ask|Change|Cut|Double|Draw|Give|Halve|Keep|Let|Make|Run|Set|Take|Train|Try|Use)\b|\?$"
)

# What is no prose, or no result wherever it stands.
NO_PROSE = [
    r"(?s)<!-- headline -->.*?<!-- /headline -->",  # made from records
    r"(?m)^ *:(?:width|height|class|name|pyobject|open|filter|style|columns|gutter)\S*:.*$",
    r"(?m)^---$.*?^---$",
    r"\{\{.*?\}\}",  # made from records
    r"\]\([^)]*\)|<?https?://\S+|\{\w+\}`[^`]*`",  # links and roles
    r"(?s)<[^>]+>",
    r"\barXiv:\S+|\bdoi:\S+",
    r"\b(?:Secs?|Figs?|Tables?|Figures?|Eqs?|Chapters?|pp?)\.? [\dA-Z][\w.]*"
    r"(?:(?:,| and| to|-) \d[\w.]*)*",
]


FENCE = re.compile(r"^\s*(`{3,}|~{3,}|:{3,})\s*(?:\{([\w-]+)\})?(.*)$")
CODE = ("include", "literalinclude", "bibliography", "code", "code-block", "code-cell", "math")


def outside_code(text):
    """The lines of a page that are in no block of code, however deep blocks are nested."""
    lines, blocks = [], []  # blocks: (fence, whether it is code) from the outermost on
    for line in text.splitlines():
        fence = FENCE.match(line)
        is_in_code = any(is_code for _, is_code in blocks)
        if fence and blocks and fence[1].startswith(blocks[-1][0]) and not (fence[2] or fence[3]):
            blocks.pop()
        elif fence and not is_in_code:
            blocks.append((fence[1], fence[2] is None or fence[2] in CODE))
            lines += ["", fence[3], ""]  # the title of an admonition is prose
        elif not is_in_code:
            lines.append(line)
    return "\n".join(lines)


def bare(match):
    """Code or mathematics that is nothing but a number counts as prose, any other does not."""
    inside = match.group(1)
    return inside if re.fullmatch(r"\s*[-−+±]?[\d.,]+\s*(\\?%|points?)?\s*", inside) else "x"


def prose_of(text):
    """A page without what is no prose."""
    text = outside_code(text)
    for pattern in NO_PROSE:
        text = re.sub(pattern, " ", text)
    text = re.sub(r"(?s)\$\$(.*?)\$\$", bare, text)
    text = re.sub(r"`+([^`\n]+)`+", bare, text)
    return re.sub(r"\$([^$\n]+)\$", bare, text)


def paragraphs(text):
    """Paragraphs, list items and rows of tables, each on one line, without emphasis."""
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.) ?)", prose_of(text))
    plain = [re.sub(r"\*+|(?<!\w)_+|_+(?!\w)", "", part) for part in parts]
    return [re.sub(r"\s+", " ", part).strip() for part in plain]


def sentences(paragraph):
    """The sentences of a paragraph; a number in front ("1. ") belongs to none."""
    unnumbered = re.sub(r"^[-|]?\s*\d+\. ", "", paragraph)
    return re.split(r"(?<=[.!?:])\s+(?=[A-Z\"(])", unnumbered)


def value_of(suspect):
    """The number in a suspect, None where it is vague."""
    digits = re.search(r"\d[\d,]*(?:\.\d+)?|\.\d+", suspect)
    if digits:
        return float(digits.group().replace(",", ""))
    for word, value in (NUMBERS_IN_WORDS | MULTIPLES_IN_WORDS).items():
        if re.search(rf"\b{word}", suspect, re.I):
            return float(value)
    return None


PAPERS = {round(float(number["value"]), 6) for number in paper_numbers()}
ABOUT_THE_PAPER = re.compile(r"\bpaper\b|\bversion [12]\b", re.I)
OURS = re.compile(r"\b(?:ours?|we|here|this book)\b", re.I)


def is_the_papers(suspect, paragraph, sentence):
    """Whether a number is one of the paper's, where the text speaks of the paper.

    Digits may stand for a percentage or its share, in a paragraph about the paper. A number in
    words needs the paper in its own sentence, and nothing of ours.
    """
    value = value_of(suspect)
    is_in_words = not re.search(r"\d", suspect)
    about = sentence if is_in_words else paragraph
    if value is None or not ABOUT_THE_PAPER.search(about):
        return False
    if is_in_words and OURS.search(sentence):
        return False
    return any(round(value * factor, 6) in PAPERS for factor in (1, 100, 0.01))


def typed_results(text):
    """What looks like a measured result in a page, and is neither the paper's nor allowed."""
    return [
        suspect
        for paragraph in paragraphs(text)
        for sentence in sentences(paragraph)
        if not NO_STATEMENT.search(sentence)
        for suspect in suspects_in(sentence)
        if not is_the_papers(suspect, paragraph, sentence)
    ]


def suspects_in(sentence):
    """What looks like a measured result in a sentence and is not allowed."""
    for pattern in ALLOWED:
        sentence = re.sub(pattern, " ", sentence)
    return [
        match.group().strip()
        for pattern in SUSPECTS
        for match in re.finditer(pattern, sentence, re.I)
    ]


def texts_in(code):
    """The strings of a code cell that are sentences: captions, alt texts, what is printed."""
    strings = [
        node.value
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return "\n\n".join(text for text in strings if len(text.split()) >= 5)


def prose_of_notebook(path):
    """The Markdown cells of a notebook, and the sentences in its code."""
    cells = json.loads(path.read_text())["cells"]
    texts = []
    for cell in cells:
        source = "".join(cell["source"])
        texts.append(source if cell["cell_type"] == "markdown" else texts_in(source))
    return "\n\n".join(texts)


NOTEBOOKS = sorted((paths.ROOT / "notebooks").glob("*.ipynb"))
PAGES = [
    path for path in sorted((paths.ROOT / "book").glob("*.md")) if path.name not in GENERATED
] + [paths.ROOT / "README.md"]


def results_of_file(path):
    """The typed results of a notebook or a page."""
    text = prose_of_notebook(path) if path.suffix == ".ipynb" else path.read_text()
    return typed_results(text)


@pytest.mark.parametrize("path", NOTEBOOKS + PAGES, ids=lambda path: path.name)
def test_no_result_is_typed(path):
    assert not results_of_file(path)


@pytest.mark.parametrize("text", [
    "The mixture is 4.1 points above training data.",
    "The mixture gains about four points.",
    "Flips lift the student by some points.",
    "That is a third of the gain.", "It gains twice the points.", "Noise brings half of the gain.",
    "Jitter reaches an AUC of 0.917.", "The student is right on 93% of the images.",
    "An accuracy of 93 is what it has.", "It has 112 times fewer nodes.",
    "At hundreds of times the teacher's speed.", "A 300-fold cut of nodes.", "A tenfold cut.",
    "The whole takes an hour and a half.", "Half an hour on two cores.", "It takes 51 minutes.",
    "Two of the three pairs gain.", "It sees 4 of 5 kinds of damage.",
    "Eleven claims are confirmed.", "The loss is `0.014` on test.", "It gains $+4.1$ points.",
    "- The GAN: +1.7 [1.1, 2.4]", "| MAGIC | 0.912 ± 0.002 |",
    "```{figure} x.png\n:alt: A rise from 0.55 to 0.61\n```",
    "````{dropdown} Solution\n```\n0.5\n```\nIt gains 3.2 points.\n````",
    "The paper gains 10.5 points.\n\nOurs gains 10.5 points.",
    "The paper says 10.5 points, we have 4.4.", "Double the epochs. It gains 3.1 points.",
    "It needs a quarter of the queries.", "Our gain doubles the paper's.",
])  # fmt: skip
def test_what_must_fail(text):
    assert typed_results(text)


@pytest.mark.parametrize("text", [
    "A forest of 500 trees and 5,000 images of 16 × 16 pixels, after 200 epochs, in 2018.",
    "The interval holds 95% over seeds, as 95% t-intervals do.",
    "Sec. 5.2, Fig. 3f, Table 4, Eq. 2a, Secs. 3 and 5.",
    "{{ answer_01 }}", "```\nloss = 0.5\n```", "`lr: 0.001` and $\\alpha = 0.9$",
    "Python 3.11 or later.", "In the paper the mixture gains 10.5 points, twice the 5.3 points.",
    "The paper has an AUC of 0.918 on MAGIC, 91.8%.", "The paper's one to 20 trees.",
    "Double the epochs of the student.", "What if the noise is three times as wide as the data?",
    "A share p_fake of 0.5 of the images.", "Three seeds, four generators and two cores.",
    "````{dropdown} Solution\n```bash\nx: [0.1, 0.3]\n```\nIt may overfit.\n````",
    "[A link](https://x.org/0.55) and {doc}`chapter </a/0.2>`.", "One of the two networks.",
    "At the same time, at times the student is better.",
    "<!-- headline -->\n0.9\n<!-- /headline -->",
    "A third network learns too.", "The second half, several runs.",
])  # fmt: skip
def test_what_must_pass(text):
    assert not typed_results(text)
