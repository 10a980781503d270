"""A stand-in of Google Analytics 4: what is sent to it, what it exports, and its settings.

property    its state
collect     what is sent to it
google      a service account and its tokens, Google's errors
warehouse   the exported tables, in an engine that runs queries
bigquery    the REST interface over them
admin       custom dimensions
audiences   who is in an audience, and exports of it
reports     facts that are summed
data        the Data API over both
routes      all of it over HTTP
"""
