"""GluonCV's networks for other tasks than classification, with their own heads."""
