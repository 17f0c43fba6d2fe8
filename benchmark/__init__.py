"""The suite: data, weather simulation, scoring, cost, tables and report. It knows no single method."""
