"""What every part needs: paths, errors, parameters, records, the store of results."""
