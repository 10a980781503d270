"""Whether what a source gives still looks as it did: profiles of what each sync brought, and how they differ."""
