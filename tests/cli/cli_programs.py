"""Programs that the tests of the command line share, and the type of what starts `mlp`."""

import subprocess
from collections.abc import Callable

Mlp = Callable[..., "subprocess.CompletedProcess[str]"]

GOOD = """\
pipeline good {
  param floor: float(0..1) = 0.5

  prepare wine using sklearn.dataset {
    name = "wine"
  }

  prepare split using tabular.split {
    table = wine
  }

  train model using sklearn.DecisionTreeClassifier {
    table = split.train
  }

  evaluate quality using sklearn.classification {
    model = model
    table = split.test
    require accuracy >= floor
  }
}

profile strict for good {
  param floor = 0.9
}
"""
BAD = GOOD.replace("table = split.train", "tabel = split.train")
