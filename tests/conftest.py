from __future__ import annotations

import os

# Networks as small as those of most tests take ten times as long on two threads that wait for each
# other as on one. Set before torch comes, this also holds for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
