"""Training stages over transformers and TRL; one module per stage. Nothing is imported here: each loads torch.

TRL reports its use to the hub unless told not to, and reads that when it is imported: here it is told first.
"""

import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
