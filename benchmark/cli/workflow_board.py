"""Verbs that the workflow calls after its jobs: they collect the results and show them."""

from pathlib import Path

from benchmark.cli.app import DEFAULT, ConfigFile, RunPath, SourceFile, open_run, verb


@verb("collect --config config/default.yaml")
def collect(config: ConfigFile = DEFAULT, source: SourceFile = None) -> None:
    """Join all parts of a run into scores.csv, cost.csv, methods.json and manifest.json.

    Submissions to the run stay in it.
    """
    from benchmark.core.json_io import write_json
    from benchmark.jobs import collect, records
    from benchmark.jobs.identity import Identities
    from benchmark.jobs.manifest import make_manifest

    settings, folder = open_run(config)
    collect.collect(settings, folder)
    write_json(folder.path / "manifest.json", make_manifest(settings, source or config, folder))
    # A mark that the workflow has done this. Of what a user called it would not see later changes.
    if source:
        records.write(folder, "collect", ("board",), Identities(settings).board())
    else:
        folder.identity("collect", "board").unlink(missing_ok=True)


@verb("leaderboard results/default")
def leaderboard(path: RunPath = Path("results/default")) -> None:
    """Make the leaderboard and the comparisons from the scores and costs of a run."""
    from benchmark.board.write import write_leaderboard
    from benchmark.core.paths import shown

    table = write_leaderboard(path)
    print(f"{shown(path / 'leaderboard.md')}: {len(table)} rows")


@verb("figures results/default")
def figures(path: RunPath = Path("results/default")) -> None:
    """Draw the figures of a run."""
    from benchmark.core.paths import shown
    from benchmark.report.figures.draw import draw_figures

    files = draw_figures(path)
    print(f"{shown(path / 'figures')}: {len(files)} files")


@verb("report results/default")
def report(path: RunPath = Path("results/default")) -> None:
    """Build the HTML report of a run, report/index.html."""
    from benchmark.core.paths import shown
    from benchmark.report.build import build_report

    print(f"{shown(build_report(path))}: open it in a browser")


@verb("published results/default")
def published(path: RunPath = Path("results/default")) -> None:
    """Compare with published numbers: write published.csv and published.md."""
    from benchmark.board.published import of_run
    from benchmark.board.write import read_leaderboard
    from benchmark.core.atomic import write_text
    from benchmark.core.errors import UserError
    from benchmark.results.layout import write_csv
    from benchmark.results.tables import read_methods

    table, text = of_run(path, read_leaderboard(path), read_methods(path))
    if table.empty:
        raise UserError(f"config/published.yaml has no number on the data sets of {path}.")
    write_csv(table, path / "published.csv")
    write_text(path / "published.md", text)
    print(text)
