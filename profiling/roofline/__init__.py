"""The roofline: operators of a pass, their bounds and predictions, for one question or a grid."""
