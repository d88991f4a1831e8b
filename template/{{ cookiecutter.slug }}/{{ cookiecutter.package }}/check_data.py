"""Is the data there, and enough of it?

The library asks what every plan needs: enough rows of each class, nothing on two sides of the split, pictures that can
be read, settings that were really tried. What only your team knows is asked here.
"""

import sys

import pyarrow as pa
from drivetrain import load_spec, run
from drivetrain.availability import own_check
from drivetrain.availability import run as check_all


@own_check()
def the_test_is_no_handful(cases: pa.Table) -> str | None:
    """The test has twenty cases at least."""
    tested = cases["split"].to_pylist().count("test")
    return f"the test has {tested} cases" if tested < 20 else None


# Add yours: a function that takes the rows of a source (`cases.to_pandas()` makes a data frame of them) and returns
# what is wrong with them, or None. `@own_check("letters", level="warn")` names another source, or another level.


def main() -> int:
    return check_all(load_spec(), sys.argv[1:])  # --workers 8, or --dask tcp://scheduler:8786


if __name__ == "__main__":
    run(main)
