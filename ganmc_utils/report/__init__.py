"""From records to pages: the paper's numbers, statistics, plots, text, the scoreboard."""
