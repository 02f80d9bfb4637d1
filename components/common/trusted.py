"""The types beyond skops's own that a saved scikit-learn model may hold, each of them inert when it is made.

Found by saving every estimator of scikit-learn 1.9 that skops can save; a test does so again. InterpretML's boosting
machines are scikit-learn estimators too: skops makes them without calling `__init__` and hands their attributes to
scikit-learn's own `__setstate__`; a test holds them to that.

Two are our own (`common.mitigation`): they have no `__init__` that acts, no `__setstate__` and no `__reduce__`, so that
loading them sets attributes.
"""

DISTANCES = (
    "BrayCurtis",
    "Canberra",
    "Chebyshev",
    "Dice",
    "Euclidean",
    "Hamming",
    "Haversine",
    "Jaccard",
    "Mahalanobis",
    "Manhattan",
    "Minkowski",
    "RogersTanimoto",
    "RussellRao",
    "SEuclidean",
    "SokalSneath",
    "Yule",
)

INTERPRET = frozenset(
    f"interpret.glassbox._ebm._ebm.{privacy}ExplainableBoosting{task}"
    for privacy in ("", "DP")
    for task in ("Classifier", "Regressor")
)

TRUSTED = INTERPRET | frozenset(
    [
        "common.mitigation.GroupThresholds",
        "common.mitigation.Mixture",
        "numpy.dtype",
        "numpy.mean",
        "sklearn._loss.loss.HalfTweedieLoss",
        "sklearn._loss.loss.HalfTweedieLossIdentity",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.cluster._bisect_k_means._BisectingTree",
        "sklearn.cluster._kmeans._kmeans_single_elkan",
        "sklearn.cluster._kmeans._kmeans_single_lloyd",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        *(f"sklearn.metrics._dist_metrics.{name}Distance64" for name in DISTANCES),
    ]
)
