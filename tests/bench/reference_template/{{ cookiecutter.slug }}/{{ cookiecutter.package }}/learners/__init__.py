"""One file per model of the plan: `get_dls` makes its DataLoaders, `get_learner` its Learner."""
