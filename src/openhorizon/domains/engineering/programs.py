"""The programs that tasks speak of: one line of `kit` each at mini size, ordinary scikit-learn code at full size."""

FAMILIES = ("tree", "near", "line", "bayes", "curve")
KNOBS = (0, 1, 3, 6)  # columns that a kit model may use; 0: all
KIT = tuple((family, knob) for family in FAMILIES for knob in KNOBS)


def kit_program(family: str, knob: int = 0) -> str:
    """The mini program that fits one family.

    >>> kit_program("near", 3)
    'import kit; kit.near(3)'
    """
    return f"import kit; kit.{family}({knob or ''})"


_HEAD = """import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
{imports}

data = np.loadtxt("train.csv", delimiter=",", skiprows=1)
test = np.loadtxt("test.csv", delimiter=",", skiprows=1)
x, y = data[:, :-1], data[:, -1]
fit_x, held_x, fit_y, held_y = train_test_split(x, y, test_size=0.4, random_state=0)
model = {model}
model.fit(fit_x, fit_y)
np.savetxt("submission.csv", model.predict(test), fmt="%.6g", header="target", comments="")
print("validation:", round(model.score(held_x, held_y), 4))
"""
# metric -> name -> (import, model, (text to patch, its replacement))
_MODELS = {
    "accuracy": {
        "logistic": ("from sklearn.linear_model import LogisticRegression", "make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=500))", ("C=1.0", "C=0.05")),
        "neighbors": ("from sklearn.neighbors import KNeighborsClassifier", "make_pipeline(StandardScaler(), KNeighborsClassifier(n_neighbors=5))", ("n_neighbors=5", "n_neighbors=11")),
        "tree": ("from sklearn.tree import DecisionTreeClassifier", "DecisionTreeClassifier(max_depth=6, random_state=0)", ("max_depth=6", "max_depth=3")),
        "bayes": ("from sklearn.naive_bayes import GaussianNB", "GaussianNB(var_smoothing=1e-9)", ("var_smoothing=1e-9", "var_smoothing=1e-2")),
        "support": ("from sklearn.svm import SVC", "make_pipeline(StandardScaler(), SVC(C=1.0))", ("C=1.0", "C=10.0")),
    },
    "r2": {
        "ridge": ("from sklearn.linear_model import Ridge", "make_pipeline(StandardScaler(), Ridge(alpha=1.0))", ("alpha=1.0", "alpha=30.0")),
        "neighbors": ("from sklearn.neighbors import KNeighborsRegressor", "make_pipeline(StandardScaler(), KNeighborsRegressor(n_neighbors=5))", ("n_neighbors=5", "n_neighbors=11")),
        "tree": ("from sklearn.tree import DecisionTreeRegressor", "DecisionTreeRegressor(max_depth=6, random_state=0)", ("max_depth=6", "max_depth=3")),
        "support": ("from sklearn.svm import SVR", "make_pipeline(StandardScaler(), SVR(C=1.0))", ("C=1.0", "C=30.0")),
        "curve": ("from sklearn.linear_model import Ridge\nfrom sklearn.preprocessing import PolynomialFeatures", "make_pipeline(StandardScaler(), PolynomialFeatures(2), Ridge(alpha=10.0))", ("alpha=10.0", "alpha=300.0")),
    },
}  # fmt: skip


def portfolio(metric: str) -> dict[str, str]:
    """Name -> source of the full-size programs for a metric: what the expert tries and the strong reference is drawn from."""
    return {
        name: _HEAD.format(imports=imports, model=model)
        for name, (imports, model, _) in _MODELS[metric].items()
    }


def patch_of(metric: str, name: str) -> tuple[str, str]:
    """The text of a portfolio program worth changing, and what to."""
    return _MODELS[metric][name][2]
