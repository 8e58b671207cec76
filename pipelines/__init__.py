"""What is made from what, when, and whether it is sound."""

import os

# Everything here solves small systems of equations: threads of the linear algebra would mostly wait for one another,
# and waiting they keep the processors busy (fits of quantisation: 4 s of processor time instead of 0.3). Read when
# NumPy is imported, so it stands before every import of it, and processes started from here inherit it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
