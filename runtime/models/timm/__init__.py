"""Networks of timm as Gluon blocks of our own: timm's names, its weights, and none of its code."""
