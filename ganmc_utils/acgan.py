"""The auxiliary-classifier GAN of Odena et al. (2017), as Sec. 2.3 of the paper trains it.

Every tensor carries a leading axis R, the number of independent GANs that train side by side: the
losses are summed over R and no parameter is shared, so each GAN takes exactly the steps it would take
alone, at a fraction of the time (a 50-unit network leaves a core idle).
"""
import math

import torch
from torch import nn
from torch.nn import functional as F
