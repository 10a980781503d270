"""The HTTP doors: the JSON API, webhooks of platforms, and commands of this machine; start with `app.create_app`."""
