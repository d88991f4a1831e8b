"""The frozen template of the benchmark holds tests of a project, which are not ours to run."""

collect_ignore = ["reference_template"]
