"""What runs inside platforms: questions of their workflows and campaigns, kept durably and answered by callback."""
