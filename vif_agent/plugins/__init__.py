"""One small pure module per family of vif_types: a VIF in, the wanted host resources out."""
