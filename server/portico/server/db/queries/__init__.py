"""SQL, one module per concept; every function takes the session and the organisation."""
