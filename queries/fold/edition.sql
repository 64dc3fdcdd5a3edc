select fold
from progress
