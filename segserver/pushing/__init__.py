"""What a push is made of: values in parts, touches one by one, reading back what is there, and the report of it all."""
