"""Tables of the ten AutoML tasks: a mapping of each task to its table, as a node of a pipeline and as a job."""

from mlp_lang.lowering.checker.fields import (
    INTEGER,
    LIST,
    NUMBER,
    TEXTS,
    Kind,
    ListOf,
    MapOf,
    Table,
    Variants,
    of,
)
from mlp_lang.lowering.checker.tables.common import JOB, JOB_INPUT, QUEUE, RESOURCES
from mlp_lang.lowering.checker.tables.sweep import DISTRIBUTION, EARLY_TERMINATION, SAMPLING, WHOLE_DISTRIBUTION

_LEVELS = frozenset(["not_set", "debug", "info", "warning", "error", "critical"])
_CLASSIFICATION_METRICS = frozenset(
    [
        "auc_weighted",
        "accuracy",
        "norm_macro_recall",
        "average_precision_score_weighted",
        "precision_score_weighted",
    ]
)
_REGRESSION_METRICS = frozenset(
    [
        "spearman_correlation",
        "normalized_root_mean_squared_error",
        "r2_score",
        "normalized_mean_absolute_error",
    ]
)
_TREES = [
    "sgd",
    "knn",
    "decision_tree",
    "random_forest",
    "extreme_random_trees",
    "light_gbm",
    "gradient_boosting",
]
_CLASSIFIERS = frozenset(
    [
        *_TREES,
        "logistic_regression",
        "multinomial_naive_bayes",
        "bernoulli_naive_bayes",
        "svm",
        "linear_svm",
        "xg_boost_classifier",
    ]
)
_REGRESSORS = frozenset([*_TREES, "elastic_net", "lasso_lars", "xg_boost_regressor"])
_FORECASTERS = _REGRESSORS | frozenset(
    [
        "auto_arima",
        "prophet",
        "naive",
        "seasonal_naive",
        "average",
        "seasonal_average",
        "exponential_smoothing",
        "arimax",
        "tcn_forecaster",
    ]
)
_TRANSFORMERS = frozenset(
    [
        "text_target_encoder",
        "one_hot_encoder",
        "cat_target_encoder",
        "tf_idf",
        "wo_e_target_encoder",
        "label_encoder",
        "word_embedding",
        "naive_bayes",
        "count_vectorizer",
        "hash_one_hot_encoder",
    ]
)
_DATA: Kind = ("text", JOB_INPUT)
_AUTO: Kind = (frozenset(["auto"]), INTEGER)
_COMMON = (
    JOB
    | of("text", "environment_id", "target_column_name")
    | of(_DATA, "training_data", "validation_data")
    | of("mapping", "outputs", "environment_variables")
    | {"resources": RESOURCES, "queue_settings": QUEUE, "log_verbosity": _LEVELS}
)
_COLUMN_TRANSFORMER = Table("column transformer", of(LIST, "fields") | of("mapping", "parameters"))
_FEATURIZATION = Table(
    "featurization",
    of("text", "dataset_language")
    | {"mode": frozenset(["auto", "off", "custom"]), "enable_dnn_featurization": "boolean"}
    | {"blocked_transformers": ListOf(_TRANSFORMERS), "column_name_and_types": TEXTS}
    | {"transformer_params": MapOf(ListOf(_COLUMN_TRANSFORMER))},
)
_META_LEARNERS = frozenset(
    [
        "none",
        "logistic_regression",
        "logistic_regression_cv",
        "light_gbm_classifier",
        "elastic_net",
        "elastic_net_cv",
        "light_gbm_regressor",
        "linear_regression",
    ]
)
_STACK = Table(
    "stack_ensemble_settings",
    {
        "stack_meta_learner_kwargs": "mapping",
        "stack_meta_learner_train_percentage": NUMBER,
        "stack_meta_learner_type": _META_LEARNERS,
    },
)


def _training(algorithms: frozenset[str]) -> Table:
    return Table(
        "training",
        of(
            "boolean",
            "enable_dnn_training",
            "enable_model_explainability",
            "enable_onnx_compatible_models",
            "enable_stack_ensemble",
            "enable_vote_ensemble",
        )
        | {"ensemble_model_download_timeout_minutes": INTEGER, "stack_ensemble_settings": _STACK}
        | {"training_mode": frozenset(["auto", "distributed", "non_distributed"])}
        | of(ListOf(algorithms), "allowed_training_algorithms", "blocked_training_algorithms"),
    )


_FORECASTING = Table(
    "forecasting",
    of("text", "country_or_region_for_holidays", "time_column_name", "frequency")
    | of(_AUTO, "forecast_horizon", "target_rolling_window_size", "seasonality")
    | of(("text", LIST), "time_series_id_column_names", "features_unknown_at_forecast_time")
    | {
        "cv_step_size": INTEGER,
        "target_lags": (frozenset(["auto"]), INTEGER, ListOf(INTEGER)),
        "feature_lags": frozenset(["none", "auto"]),
        "short_series_handling_config": frozenset(["none", "auto", "pad", "drop"]),
        "use_stl": frozenset(["none", "season", "seasontrend"]),
        "target_aggregate_function": frozenset(["none", "sum", "max", "min", "mean"]),
    },
)
_TABULAR = (
    _COMMON
    | of(NUMBER, "validation_data_size", "test_data_size")
    | {"test_data": _DATA}
    | {"cv_split_column_names": LIST, "n_cross_validations": _AUTO, "weight_column_name": "text"}
    | {"featurization": _FEATURIZATION}
    | {
        "limits": Table(
            "limits",
            of(
                INTEGER,
                "max_concurrent_trials",
                "max_cores_per_trial",
                "max_nodes",
                "max_trials",
                "timeout_minutes",
                "trial_timeout_minutes",
            )
            | {"enable_early_termination": "boolean", "exit_score": NUMBER},
        )
    }
)
_SWEEP = Table("sweep", {"sampling_algorithm": SAMPLING, "early_termination": EARLY_TERMINATION})
_SCHEDULERS = frozenset(["none", "warmup_cosine", "step"])
_SIZES = frozenset(["none", "small", "medium", "large", "extra_large"])
_VALIDATION = frozenset(["none", "coco", "voc", "coco_voc"])
_SWITCHES = ("ams_gradient", "distributed", "early_stopping", "enable_onnx_normalization", "nesterov")
_FRACTIONS = (
    "beta1",
    "beta2",
    "learning_rate",
    "momentum",
    "step_lr_gamma",
    "warmup_cosine_lr_cycles",
    "weight_decay",
)
_COUNTS = (
    "early_stopping_delay",
    "early_stopping_patience",
    "evaluation_frequency",
    "gradient_accumulation_step",
    "layers_to_freeze",
    "number_of_epochs",
    "number_of_workers",
    "random_seed",
    "step_lr_step_size",
    "training_batch_size",
    "validation_batch_size",
    "warmup_cosine_lr_warmup_epochs",
)
_OPTIMIZERS = frozenset(["none", "sgd", "adam", "adamw"])
_CLASSES = ("training_crop_size", "validation_crop_size", "validation_resize_size", "weighted_loss")
_BOXES = ("box_detections_per_image", "image_size", "max_size", "min_size")
_THRESHOLDS = (
    "box_score_threshold",
    "nms_iou_threshold",
    "tile_overlap_ratio",
    "tile_predictions_nms_threshold",
    "validation_iou_threshold",
)
_MODEL: "dict[str, Kind]" = (
    of("boolean", *_SWITCHES)
    | of(NUMBER, *_FRACTIONS)
    | of(INTEGER, *_COUNTS, "checkpoint_frequency")
    | of("text", "model_name", "advanced_settings", "checkpoint_run_id")
    | {"learning_rate_scheduler": _SCHEDULERS, "optimizer": _OPTIMIZERS}
)
_DETECTOR: "dict[str, Kind]" = (
    of(INTEGER, *_BOXES)
    | of(NUMBER, *_THRESHOLDS)
    | of("text", "tile_grid_size", "log_training_metrics", "log_validation_loss")
    | {"multi_scale": "boolean", "model_size": _SIZES, "validation_metric_type": _VALIDATION}
)


def _searched(kind: Kind) -> Kind:
    """A value, or a distribution of it."""
    return (kind, WHOLE_DISTRIBUTION if kind == INTEGER else DISTRIBUTION)


def _space(fields: "dict[str, Kind]", *without: str) -> Table:
    return Table("search space", {name: _searched(kind) for name, kind in fields.items() if name not in without})


_FIXED = (
    "advanced_settings",
    "checkpoint_run_id",
    "checkpoint_frequency",
    "log_training_metrics",
    "log_validation_loss",
)
_IMAGE = (
    _COMMON
    | of(NUMBER, "validation_data_size", "test_data_size")
    | {"test_data": _DATA}
    | {"sweep": _SWEEP}
    | {"limits": Table("limits", of(INTEGER, "max_concurrent_trials", "max_trials", "timeout_minutes"))}
)


def _image(model: "dict[str, Kind]") -> "dict[str, Kind]":
    space = _space(model | {"augmentations": "text"}, *_FIXED)
    return _IMAGE | {"training_parameters": Table("training_parameters", model), "search_space": ListOf(space)}


_CLASSIFYING = _image(_MODEL | of(INTEGER, *_CLASSES))
_DETECTING = _image(_MODEL | _DETECTOR)
_NLP_MODEL: "dict[str, Kind]" = (
    of(
        INTEGER,
        "gradient_accumulation_steps",
        "number_of_epochs",
        "training_batch_size",
        "validation_batch_size",
    )
    | of(NUMBER, "learning_rate", "warmup_ratio", "weight_decay")
    | {"model_name": "text"}
    | {
        "learning_rate_scheduler": frozenset(
            ["none", "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup"]
        )
    }
)
_NLP = _COMMON | {
    "limits": Table(
        "limits",
        of(INTEGER, "max_concurrent_trials", "max_trials", "max_nodes", "timeout_minutes", "trial_timeout_minutes"),
    ),
    "sweep": _SWEEP,
    "training_parameters": Table("training_parameters", _NLP_MODEL),
    "search_space": ListOf(_space(_NLP_MODEL)),
    "featurization": Table("featurization", {"dataset_language": "text"}),
}


def _task(name: str, fields: "dict[str, Kind]", metrics: frozenset[str], target: bool = True) -> Table:
    return Table(
        f"{name} task",
        fields | {"task": frozenset([name]), "primary_metric": metrics, "type": frozenset(["automl"])},
        ("type", "task", "training_data", *(["target_column_name"] if target else [])),
    )


AUTOML = Variants(
    "automl job",
    "task",
    {
        "classification": _task(
            "classification",
            _TABULAR | {"positive_label": "text", "training": _training(_CLASSIFIERS)},
            _CLASSIFICATION_METRICS,
        ),
        "regression": _task("regression", _TABULAR | {"training": _training(_REGRESSORS)}, _REGRESSION_METRICS),
        "forecasting": _task(
            "forecasting",
            _TABULAR | {"training": _training(_FORECASTERS), "forecasting": _FORECASTING},
            _REGRESSION_METRICS,
        ),
        "text_classification": _task("text_classification", _NLP, _CLASSIFICATION_METRICS),
        "text_classification_multilabel": _task("text_classification_multilabel", _NLP, frozenset(["accuracy"])),
        "text_ner": _task("text_ner", _NLP, frozenset(["accuracy"]), target=False),
        "image_classification": _task("image_classification", _CLASSIFYING, _CLASSIFICATION_METRICS),
        "image_classification_multilabel": _task(
            "image_classification_multilabel", _CLASSIFYING, _CLASSIFICATION_METRICS | {"iou"}
        ),
        "image_object_detection": _task("image_object_detection", _DETECTING, frozenset(["mean_average_precision"])),
        "image_instance_segmentation": _task(
            "image_instance_segmentation", _DETECTING, frozenset(["mean_average_precision"])
        ),
    },
)
