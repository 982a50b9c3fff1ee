"""What belongs to no domain: people, settings, databases, objects, audit, ids and the clock."""
