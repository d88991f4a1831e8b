"""Who gets good decisions and who does not: results by class and by group, each figure with its interval."""

from drivetrain import audit, load_spec, run


def main() -> int:
    """Audit the held-out predictions and decisions, and record the result in `evidence/audit.json`."""
    plan = load_spec()
    result = audit.run(plan)
    print(audit.text(result))

    # The place for questions of your own. For example: which group does the optimized policy serve worst?
    for table in (result["decisions"] or {}).get("by_group", []):
        if table["policy"] == "optimized" and table["groups"]:
            worst = min(table["groups"], key=lambda row: row["figures"]["value"]["value"])
            print(f"Served worst: {worst['group']} ({worst['rows']} cases)")

    return 1 if any(finding["level"] == "fail" for finding in result["findings"]) else 0


if __name__ == "__main__":
    run(main)
