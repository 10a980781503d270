"""Local stand-ins of HubSpot, Marketo and GA4; start with `server.Sandbox`."""
