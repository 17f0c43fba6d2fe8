"""The status of every row of the leaderboard, with the reason why a value is missing.

A data set without ground truth is no fault of a method: metrics that need a target count as missing
only if the method has no other score.
"""

import pandas as pd

from benchmark.board.score_table import ALL, METRICS, ScoreTable, weather_rows
from benchmark.core.errors import UserError
from benchmark.results.schema import (
    FAILED,
    GROUP,
    METHOD,
    NO_TARGET,
    OK,
    OUT_OF_MEMORY,
    SKIPPED,
    TIMED_OUT,
    WEIGHTS_MISSING,
)
from benchmark.results.tables import by_key, key_of

WORST_LAST = (OK, SKIPPED, WEIGHTS_MISSING, TIMED_OUT, OUT_OF_MEMORY, FAILED)


def statuses(table: ScoreTable) -> pd.DataFrame:
    """Columns dataset, weather, method, variant, status, reason, n_images; `all` rows first.

    A method has `failed` on a weather if other methods have scores there, and it has none, or not
    every one, and no status that explains it. The status of `all` is that of the worst weather.

    Raises UserError if a scored method has no card.
    """
    _refuse_unknown(table)
    rows_of = {key: group for key, group in table.scores.groupby(GROUP, sort=False)}
    keys = [key_of(card) for card in table.methods]
    found = []
    for dataset, images in table.wide.groupby(level="dataset"):
        for weather, index in weather_rows(images):
            wide = table.wide.loc[index]
            for key in keys:
                rows = rows_of.get((dataset, weather, *key))
                found.append((dataset, weather, *key, *_status(rows, wide, key)))
    single = pd.DataFrame(found, columns=[*GROUP, "status", "reason", "n_images"])
    together = [
        (dataset, ALL, method, variant, *_status_of_all(group))
        for (dataset, method, variant), group in single.groupby(["dataset", *METHOD], sort=False)
    ]
    return pd.concat([pd.DataFrame(together, columns=single.columns), single], ignore_index=True)


def _refuse_unknown(table: ScoreTable) -> None:
    known = by_key(table.methods)
    scored = table.scores[METHOD].drop_duplicates()
    for method, variant in scored.itertuples(index=False):
        if (method, variant) not in known:
            raise UserError(
                f"methods.json has no card for method '{method}', variant '{variant}', which "
                "scores.csv has; collect the run again."
            )


def _status(
    rows: pd.DataFrame | None, wide: pd.DataFrame, key: tuple[str, str]
) -> tuple[str, str, int]:
    """Status, reason and number of scored images of one method on one weather."""
    own = wide.reindex(columns=pd.MultiIndex.from_tuples([(*key, metric) for metric in METRICS]))
    used = set(wide.columns[wide.notna().any()].get_level_values("metric"))
    missing = own.loc[:, [metric in used for metric in METRICS]].isna()
    scored = int(own.notna().any(axis=1).sum())
    if rows is not None:
        no_target = (rows["status"] == SKIPPED) & (rows["reason"] == NO_TARGET)
        rows = rows if no_target.all() else rows[~no_target]
    if rows is not None and (rows["status"] != OK).any():
        status = max(rows["status"], key=WORST_LAST.index)
        worst = rows[rows["status"] == status]
        reason = "; ".join(dict.fromkeys(filter(None, worst["reason"]))) or "no reason was given"
        count = worst["image"].nunique()
        if count < len(wide):
            reason += f" ({count} of {len(wide)} images)"
        return status, reason, scored
    if missing.to_numpy().any():
        count = int(missing.any(axis=1).sum())
        return FAILED, f"no score of {count} of {len(wide)} images", scored
    return OK, "", scored


def _status_of_all(weathers: pd.DataFrame) -> tuple[str, str, int]:
    bad = weathers[weathers["status"] != OK]
    status = max(weathers["status"], key=WORST_LAST.index)
    parts = []
    for (other, reason), rows in bad.groupby(["status", "reason"], sort=False):
        prefix = "" if other == status else f"{other}: "
        named = all(weather in reason for weather in rows["weather"])
        parts.append(prefix + reason + ("" if named else f" ({', '.join(rows['weather'])})"))
    return status, "; ".join(parts), int(weathers["n_images"].sum())
