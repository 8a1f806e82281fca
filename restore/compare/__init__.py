"""Compare an image with its restorations in an HTML file with a slider."""

from __future__ import annotations

from restore.compare.page import write_page
from restore.compare.views import Treatment, View, restored_views, view_of

__all__ = ["Treatment", "View", "restored_views", "view_of", "write_page"]
