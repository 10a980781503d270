"""A stand-in of Google Analytics 4: the Measurement Protocol, Google's tokens and the BigQuery export.

property    its state
collect     what is sent to it
google      a service account and its tokens, Google's errors
warehouse   the exported tables, in an engine that runs queries
bigquery    the REST interface over them
routes      all of it over HTTP
"""
