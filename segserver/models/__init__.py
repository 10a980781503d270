"""Models that a rule file declares: training on past cutoffs, figures before use, plain data that scores.

    cutoffs     which past instants to learn from, and which rows are train, test or purged
    rows        the training frame, checked, sorted and fingerprinted
    estimator   the scikit-learn pipeline that is fitted
    sufficiency is there enough to learn from
    calibration, threshold, metrics, leaks, gates   one idea each
    train       the order of a training; figures and results are what it gives back
    portable    the fitted model as plain JSON, the only thing that scores; and why a contact scores as it does
    expression  the same model as a relational expression, for the engine
    parity      all ways of scoring agree
    registry    versions, signatures, promotion, expiry
    card        figures, curves and verdicts, for machines and for people

Nothing here knows rule text or a database: a `ModelSpec` and an Arrow table come in, values go out.
"""
