"""The routes, one blueprint per concept; each registers on Quart and on QuartTrio alike."""
