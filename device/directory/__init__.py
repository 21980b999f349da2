"""The directory of a domain: users, and the scan processes that they may use. LDAP only, no XML."""
