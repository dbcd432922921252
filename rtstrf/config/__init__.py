"""What a person may set: YAML files and `--set key=value`, checked before anything starts."""
