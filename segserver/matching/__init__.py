"""How likely two records speak of one person: weights learnt from the data, without a database."""
