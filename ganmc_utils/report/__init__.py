"""From records to pages: the paper's numbers, statistics, claims, text, plots, the scoreboard."""
