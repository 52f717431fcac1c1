"""The two models of Pennington and Bahri (ICML 2017)."""
