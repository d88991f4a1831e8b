"""The models for a phone: under the plan's limits, with the contract that the page obeys. Writes artifacts/device/.

Ends with 1 when a model is over a limit and nothing could be done about it; docs/device.md says more.
"""

from drivetrain import device, load_spec, run


def main() -> int:
    result = device.build(load_spec())
    print(device.text(result))
    return 0 if result["met"] else 1


if __name__ == "__main__":
    run(main)
