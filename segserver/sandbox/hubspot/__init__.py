"""A stand-in of HubSpot's CRM API."""
