"""GluonCV's networks for other tasks: each as named parts, and what makes its own head of them.

In goes a name of `OWN` (`runtime/models/catalog.py`) and the size of the images; out comes the zoo's network, not
initialized, and the base that is cut from it. What differs between families is in the modules beside this.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

from runtime.backend.mx import gluoncv
from runtime.models.base import Base
from runtime.models.catalog import OWN
from runtime.models.own import detectors, segmenters, ssd
from runtime.plan.size import Size

FAMILIES = {**segmenters.FAMILIES, **detectors.FAMILIES, **ssd.FAMILIES}


def build(name: str, size: Size) -> tuple[Base, Any]:
    """Return the base of a network, and the whole network, whose parameters are the parts' and the head's."""
    family = FAMILIES[OWN[name].family]
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():  # some say what they do
        warnings.simplefilter("ignore")
        net = gluoncv().model_zoo.get_model(name, pretrained=False, pretrained_base=False, **family.options)
    return family.cut(net, OWN[name].parts, size), net
