"""Grafana dashboards as code: what each panel asks Prometheus, and the JSON that Grafana is provisioned with.

``python -m ops.grafana`` writes the JSON anew; nothing in it is edited by hand.
"""

from ops.grafana.build import FOLDER, build, write
from ops.grafana.panels import DASHBOARDS, Dashboard, Panel, Query

__all__ = ["DASHBOARDS", "FOLDER", "Dashboard", "Panel", "Query", "build", "write"]
