"""A teacher in a skops file: known types of scikit-learn are loaded, and nothing else is called."""

import io
import json
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from ganmc_utils.compress.table import load_teacher
from ganmc_utils.core.errors import GanmcError


def skops_file_that_calls(function, path, word):
    """A teacher whose schema names a function as the type of a dict's key: loading would call it.

    The tree is an ordinary one, with a dict {word: 1} as a further attribute.
    """
    tree = DecisionTreeClassifier(max_depth=2).fit(np.eye(4), [0, 0, 1, 1])
    tree.extra = {word: 1}
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(tree))) as honest:
        parts = {name: honest.read(name) for name in honest.namelist()}
    schema = json.loads(parts["schema.json"])
    key_types = schema["content"]["content"]["extra"]["key_types"]
    module, _, name = function.rpartition(".")
    key_types["__id__"] = 1  # of no object that skops has made before
    key_types["content"][0] |= {
        "__class__": name,
        "__module__": module,
        "__loader__": "FunctionNode",
        "__id__": 2,
    }
    parts["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as file:
        for part, content in parts.items():
            file.writestr(part, content)


@pytest.mark.parametrize(
    "function", ["sklearn.utils._testing.check_output", "posix.system", "numpy.testing.measure"]
)
def test_a_skops_file_that_names_a_function_is_refused_and_calls_nothing(function, tmp_path):
    path = tmp_path / "teacher.skops"
    skops_file_that_calls(function, path, f"touch {tmp_path / 'called'}")
    with pytest.raises(GanmcError, match=f"not known to be safe .{function}"):
        load_teacher(str(path), is_regression=False)
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), RandomForestClassifier(3)),
        HistGradientBoostingClassifier(max_iter=2),
        CalibratedClassifierCV(DecisionTreeClassifier(), cv=2),
        VotingClassifier([("tree", DecisionTreeClassifier()), ("near", KNeighborsClassifier())]),
        GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2),
        MLPClassifier((3,), max_iter=2),
        make_pipeline(SelectKBest(k=2), GaussianProcessClassifier(RBF() + WhiteKernel())),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fitted_models_of_scikit_learn_are_loaded(model, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    fitted = clone(model).fit(x, x[:, 0] > 0)
    skops.io.dump(fitted, tmp_path / "teacher.skops")
    loaded = load_teacher(str(tmp_path / "teacher.skops"), is_regression=False)
    np.testing.assert_array_equal(loaded.predict(x), fitted.predict(x))
