"""Looking up what there is: methods, data sets and metrics with their cards."""
