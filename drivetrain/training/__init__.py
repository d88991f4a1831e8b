"""What all learners share: the rows of a model, its calibration, export, baseline and evidence.

The learners themselves, and how they are fitted, belong to the project that uses them (`learners/<model>.py`,
`train.py`). This is the only room that imports fastai; importing it makes torchvision importable first.
"""

from __future__ import annotations

import warnings

from drivetrain.errors import EnvironmentFault
from drivetrain.training.folds import cross_fit
from drivetrain.training.learners import architecture, batch_size, class_weights, medium
from drivetrain.training.rows import rows
from drivetrain.training.runs import Job, Run, start
from drivetrain.training.schema import classes, inputs_of_kind, table_inputs, targets
from drivetrain.training.store import load_learner
from drivetrain.training.torchvision import make_importable

__all__ = [
    "Job",
    "Run",
    "architecture",
    "batch_size",
    "class_weights",
    "classes",
    "cross_fit",
    "inputs_of_kind",
    "load_learner",
    "medium",
    "rows",
    "start",
    "table_inputs",
    "targets",
]

# pandas lends its arrays read-only, and fastai only reads them
warnings.filterwarnings("ignore", message="The given NumPy array is not writable")

try:
    make_importable()
except ImportError as error:
    raise EnvironmentFault(f"training is not installed ({error}).", "Install the extra: drivetrain[train].") from error
