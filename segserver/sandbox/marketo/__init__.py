"""A stand-in of Marketo's REST and bulk APIs."""
