"""The provider dialect: model providers behind HTTP, described by `plugin.yaml`."""
