"""What was asked of the gateway, at paths for admins and for the apps themselves."""
