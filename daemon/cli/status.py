"""`shapelode status`: the library at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.cli.app import DEFAULT_STATE, JsonOption, StateOption, app
from daemon.cli.opening import opened, opened_parts
from index.layout import is_parted

if TYPE_CHECKING:
    from index.summaries import LibraryStatus


@app.command()
def status(state: StateOption = DEFAULT_STATE, as_json: JsonOption = False) -> None:
    """Show what the library holds and how far the stream is.

    Of a library in parts it adds up those that are on this machine.

    Examples:

      shapelode status --state library

      shapelode status --json | jq .shapes
    """
    from daemon.cli.output import print_facts, print_json

    if is_parted(state):
        from index.joint import joint_status

        with opened_parts(state) as parts:
            found = joint_status([library.status() for library in parts.values()])
    else:
        with opened(state) as library:
            found = library.status()
    if as_json:
        print_json(found)
    else:
        print_facts(str(state), _status_facts(found))


def _status_facts(s: LibraryStatus) -> list[tuple[str, object]]:
    from daemon.cli.output import data_size

    reasons = ", ".join(f"{count} {reason}" for reason, count in s.rejects_by_reason.items())
    return [
        ("images", f"{s.images:,}"),
        ("rejected", f"{s.rejected:,}" + (f" ({reasons})" if reasons else "")),
        ("shards", f"{s.shards_done:,} of {s.shards:,} done"),
        ("clusters", f"{s.clusters:,}, and {s.outliers:,} images in none"),
        ("shapes", f"{s.shapes:,} after {s.reconstructions:,} reconstructions"),
        ("quarantined", f"{s.quarantined:,}" + (" (`shapelode clusters --quarantined`)" if s.quarantined else "")),
        ("backbone", f"{s.backbone} ({s.fingerprint})"),
        ("clusterer", s.clusterer),
        ("store", data_size(s.store_bytes)),
    ]
