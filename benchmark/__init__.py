"""The suite: data, weather, training, scores, cost, tables, report. It knows no single method."""
