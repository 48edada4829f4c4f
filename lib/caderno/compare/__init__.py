"""Two arms compared: read from runs or anybody's files, checked for being comparable, paired prompt by prompt.

It generates and scores nothing. Where the evaluations differ in anything but the model, it says so instead of giving a
difference.
"""

from caderno.compare.figures import compare
from caderno.compare.reading import Answer, Arm, read_arm
from caderno.compare.spec import Difference, differences

__all__ = ["Answer", "Arm", "Difference", "compare", "differences", "read_arm"]
